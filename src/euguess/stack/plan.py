"""The local stack as a list of servers, in the order in which they start."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from pydantic import SecretStr

from euguess.process.heartbeat import Heartbeat
from euguess.process.ports import LOOPBACK
from euguess.process.programs import Program
from euguess.process.project import SERVICE_VARIABLES, project_root, service_command
from euguess.stack.credentials import Credentials
from euguess.stack.processes import ServerSpec
from euguess.stack.servers import (
    RedisServer,
    http_ready,
    http_responds,
    redis_spec,
)
from euguess.training.artifacts import ARTIFACT_FOLDER

DEFAULT_PORT_BASE = 8700


class Port(IntEnum):
    """Ports of a stack, as offsets from its base."""

    DASHBOARD = 0
    SAMPLER = 1
    SIMULATOR = 2
    INFERENCE = 3
    MANAGEMENT = 4
    METRICS = 5
    MLFLOW = 6
    REDIS = 7


PORT_COUNT = len(Port)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """The parts of a local stack.

    The services use the same store and the same database of runs as commands without a stack, so
    they get no address of a store: as for those commands, the default is a folder in the home.
    """

    home: Path
    port_base: int = DEFAULT_PORT_BASE
    credentials: Credentials
    redis_program: Program
    fetchers: int = 2
    simulator_arguments: tuple[str, ...] = ()
    extra_variables: tuple[tuple[str, str], ...] = ()  # settings of the services

    def port(self, port: Port) -> int:
        return self.port_base + port

    @property
    def ports(self) -> range:
        """All ports that the stack uses."""
        return range(self.port_base, self.port_base + PORT_COUNT)

    def address(self, port: Port) -> str:
        return f"http://{LOOPBACK}:{self.port(port)}"

    @property
    def redis(self) -> RedisServer:
        password = SecretStr(self.credentials.redis_password)
        return RedisServer(
            program=self.redis_program,
            port=self.port(Port.REDIS),
            data=self.home / "redis",
            password=password,
        )

    def log_path(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def variables(self) -> dict[str, str]:
        """Return the EUGUESS_* variables by which services and commands find this stack."""
        return {
            "EUGUESS_HOME": str(self.home),
            "EUGUESS_REDIS_URL": self.redis.url.get_secret_value(),
            "EUGUESS_MLFLOW_URL": self.address(Port.MLFLOW),
            "EUGUESS_SAMPLER_URL": self.address(Port.SAMPLER),
            "EUGUESS_ACCESS_TOKEN": self.credentials.access_token,
            "EUGUESS_SIMULATOR_URL": self.address(Port.SIMULATOR),
            "EUGUESS_SIMULATOR_KEY": self.credentials.simulator_key,
            "EUGUESS_INFERENCE_URL": self.address(Port.INFERENCE),
            "EUGUESS_INFERENCE_KEY_FILE": str(self.home / "inference" / "key_file.json"),
            "EUGUESS_DASHBOARD_URL": self.address(Port.DASHBOARD),
            **dict(self.extra_variables),
        }

    def stores(self) -> list[ServerSpec]:
        """Return the servers that start first because the services need them."""
        return [redis_spec(self.redis), self._mlflow(), self._simulator()]

    def services(self) -> list[ServerSpec]:
        """Return the services, which start after the stores."""
        return [
            self._sampler(),
            self._fetcher(),
            self._trainer(),
            self._inference(),
            self._dashboard(),
        ]

    def _environment(self) -> dict[str, str]:
        return {**SERVICE_VARIABLES, **self.variables(), "PYTHONPATH": str(project_root())}

    def _mlflow(self) -> ServerSpec:
        """Run one worker: SQLite has one writer, and each further worker costs 200 MB."""
        options = {
            "host": LOOPBACK,
            "port": self.port(Port.MLFLOW),
            "workers": 1,
            "backend-store-uri": f"sqlite:///{self.home / 'mlflow.db'}",
            "artifacts-destination": self.home / ARTIFACT_FOLDER,
            "uvicorn-opts": "--timeout-graceful-shutdown 2",
        }
        arguments = (part for name, value in options.items() for part in (f"--{name}", str(value)))
        return ServerSpec(
            name="mlflow",
            argv=(sys.executable, "-m", "mlflow", "server", *arguments),
            ready=http_ready(f"{self.address(Port.MLFLOW)}/health"),
            healthy=http_responds(f"{self.address(Port.MLFLOW)}/health"),
            env={"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            ports=(self.port(Port.MLFLOW),),
            folders=(self.home / ARTIFACT_FOLDER,),
            ready_seconds=120,
        )

    def _simulator(self) -> ServerSpec:
        return self._service("simulator", Port.SIMULATOR, "/healthz", *self.simulator_arguments)

    def _sampler(self) -> ServerSpec:
        return self._service("sampler", Port.SAMPLER, "/readyz")

    def _fetcher(self) -> ServerSpec:
        return self._worker("fetcher", "--concurrency", str(self.fetchers))

    def _trainer(self) -> ServerSpec:
        return self._worker("trainer")

    def _worker(self, service: str, *arguments: str) -> ServerSpec:
        alive = Heartbeat(self.home / service / "alive")
        return ServerSpec(
            name=service,
            argv=tuple(service_command(service, "worker", *arguments)),
            ready=_log_contains(self.log_path(service), " ready."),
            healthy=lambda: not alive.is_silent,
            env=self._environment(),
            ready_seconds=120,
        )

    def _inference(self) -> ServerSpec:
        options = {
            "port": self.port(Port.INFERENCE),
            "management-port": self.port(Port.MANAGEMENT),
            "metrics-port": self.port(Port.METRICS),
        }
        arguments = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        return ServerSpec(
            name="inference",
            argv=tuple(service_command("inference", "serve", *arguments)),
            ready=(self.home / "inference" / "key_file.json").exists,
            healthy=http_responds(f"{self.address(Port.INFERENCE)}/ping"),
            env=self._environment(),
            ports=tuple(options.values()),
            ready_seconds=120,
            stop_seconds=20,
        )

    def _dashboard(self) -> ServerSpec:
        port = self.port(Port.DASHBOARD)
        return ServerSpec(
            name="dashboard",
            argv=(sys.executable, "-m", "dashboard", "--port", str(port)),
            ready=http_ready(f"{self.address(Port.DASHBOARD)}/_stcore/health"),
            healthy=http_responds(f"{self.address(Port.DASHBOARD)}/_stcore/health"),
            env=self._environment(),
            ports=(port,),
        )

    def _service(self, service: str, port: Port, ready: str, *arguments: str) -> ServerSpec:
        number = self.port(port)
        return ServerSpec(
            name=service,
            argv=tuple(service_command(service, "--port", str(number), *arguments)),
            ready=http_ready(f"{self.address(port)}{ready}"),
            healthy=http_responds(f"{self.address(port)}/healthz"),
            env=self._environment(),
            ports=(number,),
            ready_seconds=120,
        )


def _log_contains(path: Path, text: str) -> Callable[[], bool]:
    """Check the readiness of a process without a port: a line in its log."""
    return lambda: path.exists() and text in path.read_text(errors="replace")
