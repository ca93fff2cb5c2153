"""Keep the servers of a stack running, and stop all of them together."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from euguess.stack.processes import ServerSpec
from euguess.stack.restarts import FIRST_DELAY_SECONDS, Restarts
from euguess.stack.supervised import UNHEALTHY_SECONDS, Announce, SupervisedServer

CHECK_SECONDS = 0.5

# Called with the process ids and the reported problems of the servers, by name.
Record = Callable[[Mapping[str, int], Mapping[str, str]], None]


class Supervisor:
    """A group of servers. One that ends or does not respond is restarted; the others run on."""

    def __init__(
        self,
        log_folder: Path,
        announce: Announce,
        record: Record,
        *,
        first_delay_seconds: float = FIRST_DELAY_SECONDS,
        unhealthy_seconds: float = UNHEALTHY_SECONDS,
    ) -> None:
        self._log_folder = log_folder
        self._announce = announce
        self._record = record
        self._first_delay_seconds = first_delay_seconds
        self._unhealthy_seconds = unhealthy_seconds
        self._servers: dict[str, SupervisedServer] = {}
        self._recorded: object = None
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._failure: Exception | None = None

    def start_all(self, specs: Sequence[ServerSpec]) -> None:
        """Start servers in parallel and wait until all are ready."""
        for spec in specs:
            path = self._log_folder / f"{spec.name}.log"
            path.unlink(missing_ok=True)  # a worker's readiness is read from it
            with self._lock:
                self._servers[spec.name] = self._supervised(spec, path)
                self._servers[spec.name].start()
                self._record_state()
        for spec in specs:
            self._servers[spec.name].wait_ready()
            self._announce(f"{spec.name} is ready")

    def pids(self) -> dict[str, int]:
        """Return process ids by server name; each is also the id of a process group."""
        return {name: s.pid for name, s in self._servers.items() if s.pid is not None}

    def troubles(self) -> dict[str, str]:
        """Return what is wrong with servers, by name."""
        return {name: s.trouble for name, s in self._servers.items() if s.trouble is not None}

    def watch(self) -> None:
        """Tend the servers until `stop_all`. `wait` raises an unexpected error."""
        try:
            while not self._stopping.wait(CHECK_SECONDS):
                self._tend_all()
        except Exception as error:
            self._failure = error

    def wait(self) -> None:
        """Block until interrupted. Raises the error that ended the supervision, if any."""
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

    def _supervised(self, spec: ServerSpec, log_path: Path) -> SupervisedServer:
        restarts = Restarts(self._first_delay_seconds)
        return SupervisedServer(spec, log_path, self._announce, restarts, self._unhealthy_seconds)

    def _tend_all(self) -> None:
        with self._lock:
            for server in self._servers.values():
                server.tend()
            self._record_state()

    def _record_state(self) -> None:
        state = (self.pids(), self.troubles())
        if state != self._recorded:
            self._record(*state)
            self._recorded = state


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
