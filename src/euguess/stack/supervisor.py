"""Keep the servers of a stack running, and stop all of them together."""

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from euguess.errors import EUGuessError, ServiceUnavailable
from euguess.stack.processes import RunningServer, ServerSpec, start

CHECK_SECONDS = 0.5
MAX_RESTARTS = 5  # per server; restarts do not help one that keeps ending

Announce = Callable[[str], None]
Record = Callable[[Mapping[str, int]], None]  # takes the process ids by server name


class Supervisor:
    """A group of servers. One that ends by itself is restarted, up to a limit."""

    def __init__(
        self,
        log_folder: Path,
        announce: Announce,
        record: Record,
        *,
        max_restarts: int = MAX_RESTARTS,
    ) -> None:
        self._log_folder = log_folder
        self._announce = announce
        self._record = record
        self._max_restarts = max_restarts
        self._servers: dict[str, RunningServer] = {}
        self._restarts: Counter[str] = Counter()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._failure: EUGuessError | None = None

    def start_all(self, specs: Sequence[ServerSpec]) -> None:
        """Start servers in parallel and wait until all are ready."""
        for spec in specs:
            path = self._log_folder / f"{spec.name}.log"
            path.unlink(missing_ok=True)  # a worker's readiness is read from it
            with self._lock:
                self._start(spec, path)
        for spec in specs:
            self._servers[spec.name].wait_ready()
            self._announce(f"{spec.name} is ready")

    def pids(self) -> dict[str, int]:
        """Return process ids by server name; each is also the id of a process group."""
        return {name: server.pid for name, server in self._servers.items()}

    def watch(self) -> None:
        """Restart servers that end, until `stop_all`. `wait` raises the error if that fails."""
        try:
            while not self._stopping.wait(CHECK_SECONDS):
                self._restart_ended()
        except EUGuessError as error:
            self._failure = error

    def wait(self) -> None:
        """Block until interrupted. Raises ServiceUnavailable if a server keeps ending."""
        while self._failure is None:
            time.sleep(CHECK_SECONDS)
        raise self._failure

    def stop_all(self) -> None:
        """Stop all servers in reverse order of start."""
        self._stopping.set()
        with self._lock:
            for server in reversed(list(self._servers.values())):
                server.stop()
            self._servers.clear()

    def _restart_ended(self) -> None:
        with self._lock:
            ended = [(n, s) for n, s in self._servers.items() if s.exit_code is not None]
            for name, server in ended:
                self._restart(name, server)

    def _restart(self, name: str, server: RunningServer) -> None:
        self._restarts[name] += 1
        if self._restarts[name] > self._max_restarts:
            raise ServiceUnavailable(
                f"{name} ended {self._restarts[name]} times. See its log: {server.log_path}"
            )
        self._announce(f"{name} ended with exit code {server.exit_code}; restarting it")
        server.stop()  # whatever is left of its process group
        self._start(server.spec, server.log_path)

    def _start(self, spec: ServerSpec, log_path: Path) -> None:
        self._servers[spec.name] = start(spec, log_path)
        self._record(self.pids())


@contextlib.contextmanager
def supervised(
    supervisor: Supervisor, stages: Sequence[Callable[[], Sequence[ServerSpec]]]
) -> Iterator[None]:
    """Start one stage after another. The servers run while the block runs."""
    try:
        for stage in stages:
            supervisor.start_all(stage())
        threading.Thread(target=supervisor.watch, name="supervisor", daemon=True).start()
        yield
    finally:
        supervisor.stop_all()
