"""Run a server as a child process: start it, wait until it is ready, stop it completely."""

import asyncio
import contextlib
import inspect
import subprocess
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from euguess.errors import ServiceUnavailable
from euguess.process.children import end_group
from euguess.process.files import write_atomically
from euguess.process.ports import require_free
from euguess.settings import child_environment

POLL_SECONDS = 0.05
LOG_LINES = 15

Ready = Callable[[], bool | Awaitable[bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSpec:
    """Specification of a server.

    `ready` returns quickly whether the server can serve now; `healthy` whether it responds at all,
    even if it lacks something it depends on.
    """

    name: str
    argv: tuple[str, ...]
    ready: Ready
    healthy: Callable[[], bool] = lambda: True
    env: Mapping[str, str] = field(default_factory=dict, repr=False)  # may hold secrets
    cwd: Path | None = None
    ports: tuple[int, ...] = ()
    folders: tuple[Path, ...] = ()  # created before the start
    private_files: Mapping[Path, str] = field(default_factory=dict, repr=False)  # mode 600
    ready_seconds: float = 60.0
    stop_seconds: float = 10.0  # between SIGTERM and SIGKILL
    removed_after: tuple[Path, ...] = ()  # files that a killed server leaves


class RunningServer:
    """A started server. It leads its own session, so Ctrl-C does not reach it."""

    def __init__(self, spec: ServerSpec, process: subprocess.Popen[bytes], log_path: Path) -> None:
        self.spec = spec
        self.log_path = log_path
        self._process = process

    @property
    def pid(self) -> int:
        """Process id, which is also the id of the process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while the server runs; minus the signal number if a signal ended it."""
        return self._process.poll()

    def wait_ready(self) -> None:
        """Block until the server is ready. Raises ServiceUnavailable if it ends or is too slow."""
        deadline = time.monotonic() + self.spec.ready_seconds
        while self.exit_code is None:
            if _is_ready(self.spec.ready):
                return
            if time.monotonic() > deadline:
                raise self._failure(f"is not ready after {self.spec.ready_seconds:g} seconds")
            time.sleep(POLL_SECONDS)
        raise self._failure(f"ended with exit code {self.exit_code}")

    def stop(self) -> None:
        """End the server and every process of its group; harmless if it has ended."""
        end_group(self._process, self.spec.stop_seconds)
        for path in self.spec.removed_after:
            path.unlink(missing_ok=True)

    def _failure(self, what: str) -> ServiceUnavailable:
        lines = _last_lines(self.log_path)
        return ServiceUnavailable(
            f"{self.spec.name} {what}. The end of its log {self.log_path}:\n{lines}"
        )


def start(spec: ServerSpec, log_path: Path) -> RunningServer:
    """Start a server without waiting. Raises PortInUse, or ServiceUnavailable if that fails."""
    require_free(spec.name, spec.ports)
    for folder in (*spec.folders, log_path.parent):
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in spec.private_files.items():
        write_atomically(path, content, mode=0o600)
    with log_path.open("ab") as log:
        try:
            process = subprocess.Popen(
                spec.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=child_environment(**spec.env),
                cwd=spec.cwd,
                start_new_session=True,
            )
        except OSError as error:
            raise ServiceUnavailable(f"Could not start {spec.name}: {error}.") from None
    return RunningServer(spec, process, log_path)


@contextlib.contextmanager
def started(spec: ServerSpec, log_path: Path) -> Iterator[RunningServer]:
    """Run a server while the block runs; it is ready inside the block and gone after it."""
    server = start(spec, log_path)
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


def _is_ready(ready: Ready) -> bool:
    answer = ready()
    if inspect.isawaitable(answer):
        return asyncio.run(_awaited(answer))
    return answer


async def _awaited(answer: Awaitable[bool]) -> bool:
    return await answer


def _last_lines(path: Path) -> str:
    lines = path.read_text(errors="replace").splitlines()[-LOG_LINES:]
    return "\n".join(f"  {line}" for line in lines) or "  (empty)"
