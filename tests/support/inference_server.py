"""A real TorchServe with its agent and a real registry, for tests and benchmarks."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

from euguess.clients import InferenceClient
from euguess.errors import ServiceUnavailable
from euguess.process.ports import free_ports
from euguess.process.project import project_root, service_command, service_environment
from euguess.stack.processes import RunningServer, ServerSpec, started
from services.inference.configuration import key_file_path
from services.inference.readiness import TorchServe, connect

READY_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A running `serve` command."""

    home: Path
    process: RunningServer
    ports: tuple[int, ...]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.ports[0]}"

    @property
    def management_url(self) -> str:
        return f"http://127.0.0.1:{self.ports[1]}"

    @property
    def key_file(self) -> Path:
        return key_file_path(self.home / "inference")

    @property
    def torchserve(self) -> TorchServe:
        return connect(self.home / "inference")

    @property
    def client(self) -> InferenceClient:
        """A client that keeps no connection open."""
        transport = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))
        return InferenceClient(self.url, self.key_file, transport)


@contextlib.contextmanager
def serving(
    home: Path, mlflow_url: str, *options: str, ready: Callable[[Path], bool] | None = None
) -> Iterator[Serving]:
    """Run `serve`, enter the block once it can predict, and stop all its processes afterwards."""
    is_ready = ready or answers
    ports = free_ports(3)
    names = ("--port", "--management-port", "--metrics-port")
    arguments = [part for pair in zip(names, map(str, ports), strict=True) for part in pair]
    command = service_command("inference", "serve", "--poll-seconds", "0.3", *arguments, *options)
    spec = ServerSpec(
        name="inference",
        argv=tuple(command),
        ready=lambda: is_ready(home),
        env=service_environment(EUGUESS_HOME=str(home), EUGUESS_MLFLOW_URL=mlflow_url),
        cwd=project_root(),
        ready_seconds=READY_SECONDS,
        stop_seconds=20,
    )
    with started(spec, home / "inference.log") as process:
        yield Serving(home, process, ports)


def answers(home: Path) -> bool:
    """Return True if the served model can predict a photo now."""
    try:
        connect(home / "inference").check()
    except ServiceUnavailable:
        return False
    return True
