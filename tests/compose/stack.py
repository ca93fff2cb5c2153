"""Drive the containers of one project with the command lines of Docker and Compose."""

import json
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from euguess.process.ports import free_ports
from euguess.settings import child_environment
from tests.e2e.running import PROJECT_ROOT

HERE = Path(__file__).parent
MINIO_IMAGE = "euguess/minio"

Answer = subprocess.CompletedProcess[str]
Generations = dict[str, tuple[str, ...]]
NewStack = Callable[..., "Stack"]

COMMAND_SECONDS = 120
UP_SECONDS = 600  # until all services that depend on others have started
LOG_LINES = 60


def run(command: Sequence[str], seconds: float, **variables: str) -> Answer:
    """Run a command in the project root; the caller checks the exit code."""
    return subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=child_environment(**variables),
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@dataclass(frozen=True)
class Docker:
    """A docker client."""

    program: str

    def try_run(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> Answer:
        return run((self.program, *arguments), seconds)

    def run(self, *arguments: str, seconds: float = COMMAND_SECONDS) -> str:
        """Run a command that must succeed and return its standard output."""
        answer = self.try_run(*arguments, seconds=seconds)
        assert answer.returncode == 0, f"docker {' '.join(arguments)}: {answer.stderr}"
        return answer.stdout

    def lines(self, *arguments: str) -> list[str]:
        return self.run(*arguments).split()

    def inspect(self, *names: str, kind: str = "container") -> list[dict[str, Any]]:
        if not names:
            return []
        found: list[dict[str, Any]] = json.loads(self.run(kind, "inspect", *names))
        return found

    def python(self, network: str, code: str, *arguments: str) -> str:
        """Run a Python program in a new container on one network and return its output."""
        container = ("run", "--rm", "--network", network, "--entrypoint", "python", "euguess/setup")
        return self.run(*container, "-c", code, *arguments)


@dataclass(frozen=True)
class Container:
    """State of a container as reported by the engine."""

    facts: dict[str, Any]

    @property
    def id(self) -> str:
        return str(self.facts["Id"])

    @property
    def service(self) -> str:
        return str(self.facts["Config"]["Labels"]["com.docker.compose.service"])

    @property
    def host(self) -> dict[str, Any]:
        """Resource limits and privileges."""
        found: dict[str, Any] = self.facts["HostConfig"]
        return found

    @property
    def is_running(self) -> bool:
        return bool(self.facts["State"]["Running"])

    @property
    def has_ended(self) -> bool:
        return str(self.facts["State"]["Status"]) == "exited"

    @property
    def health(self) -> str:
        """Health status such as "healthy"; empty without a health check."""
        return str(self.facts["State"].get("Health", {}).get("Status", ""))

    @property
    def has_failed(self) -> bool:
        """True if it exited with an error, was restarted or is unhealthy."""
        ended_badly = self.has_ended and self.facts["State"]["ExitCode"] != 0
        return ended_badly or self.restarts > 0 or self.health == "unhealthy"

    @property
    def restarts(self) -> int:
        return int(self.facts["RestartCount"])

    @property
    def addresses(self) -> list[str]:
        """IP addresses on all its networks."""
        networks = self.facts["NetworkSettings"]["Networks"].values()
        return [network["IPAddress"] for network in networks if network["IPAddress"]]

    @property
    def published(self) -> dict[str, list[tuple[str, int]]]:
        """Host addresses by container port, such as "8000/tcp"."""
        ports = self.facts["NetworkSettings"]["Ports"] or {}
        return {
            port: [(binding["HostIp"], int(binding["HostPort"])) for binding in bindings]
            for port, bindings in ports.items()
            if bindings
        }


@dataclass(frozen=True)
class Ports:
    """The four published ports."""

    dashboard: int
    sampler: int
    inference: int
    minio_console: int

    @classmethod
    def free(cls) -> "Ports":
        return cls(*free_ports(4))

    @property
    def variables(self) -> dict[str, str]:
        return {f"EUGUESS_{name.upper()}_PORT": str(port) for name, port in vars(self).items()}


@dataclass
class Stack:
    """A Compose project; `compose` may be replaced with the command of the other version."""

    docker: Docker
    compose: tuple[str, ...]
    project: str
    ports: Ports = field(default_factory=Ports.free)
    variables: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ("docker-compose.yml",)

    def try_run(self, *arguments: str, seconds: float = UP_SECONDS) -> Answer:
        """Run a Compose command."""
        files = [word for file in self.files for word in ("-f", file)]
        command = (*self.compose, "-p", self.project, *files, *arguments)
        return run(command, seconds, **self.ports.variables, **self.variables)

    def run(self, *arguments: str, seconds: float = UP_SECONDS) -> str:
        """Run a Compose command that must succeed and return its standard output."""
        answer = self.try_run(*arguments, seconds=seconds)
        assert answer.returncode == 0, f"{answer.stderr[-3000:]}\n{self.report()}"
        return answer.stdout

    @cached_property
    def _label(self) -> str:
        return f"label=com.docker.compose.project={self.project}"

    def containers(self, *services: str) -> list[Container]:
        """Return all containers, running or not, of all or the given services."""
        ids = self.docker.lines("ps", "--all", "--quiet", "--no-trunc", "--filter", self._label)
        found = [Container(facts) for facts in self.docker.inspect(*ids)]
        return sorted(
            (c for c in found if not services or c.service in services), key=lambda c: c.service
        )

    def container(self, service: str) -> Container:
        found = self.containers(service)
        assert found, f"there is no container of {service}"
        return found[0]

    def running(self, *services: str) -> list[Container]:
        return [c for c in self.containers(*services) if c.is_running]

    def volumes(self) -> set[str]:
        return set(self.docker.lines("volume", "ls", "--quiet", "--filter", self._label))

    def networks(self) -> set[str]:
        names = ("network", "ls", "--format", "{{.Name}}", "--filter", self._label)
        return set(self.docker.lines(*names))

    def logs(self, container: Container, lines: str = "all") -> str:
        """Return the standard output, then the standard error."""
        answer = self.docker.try_run("logs", "--tail", lines, container.id)
        return answer.stdout + answer.stderr

    def execute(self, service: str, *command: str, user: str = "10001") -> Answer:
        """Run a command in the first container of a service."""
        return self.docker.try_run("exec", "--user", user, self.container(service).id, *command)

    def python(self, service: str, code: str, *arguments: str) -> str:
        """Run a Python program in a service's container and return its output."""
        answer = self.execute(service, "python", "-c", code, *arguments)
        assert answer.returncode == 0, answer.stderr
        return answer.stdout

    def report(self) -> str:
        """Return the last log lines of all failed containers."""
        failed = [container for container in self.containers() if container.has_failed]
        logs = (f"--- {c.service}\n{self.logs(c, str(LOG_LINES))}" for c in failed)
        return "\n".join(logs)

    def wait_until(self, is_true: Callable[[], bool], seconds: float, what: str) -> None:
        """Wait for a condition; fail at once if a container fails."""
        deadline = time.monotonic() + seconds
        while not is_true():
            failures = self.report()
            assert not failures, failures
            assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
            time.sleep(0.5)

    def wait_until_healthy(self, *services: str, seconds: float = 180) -> None:
        def are_healthy() -> bool:
            found = self.containers(*services)
            return {c.service for c in found} == set(services) and all(
                c.health == "healthy" for c in found
            )

        self.wait_until(are_healthy, seconds, f"health of {', '.join(services)}")

    def wait_until_ended(self, service: str, seconds: float) -> None:
        self.wait_until(lambda: self.container(service).has_ended, seconds, service)

    def remove(self) -> None:
        """Remove everything of this project, including its data."""
        self.run("down", "--volumes", "--remove-orphans", "--timeout", "5")
