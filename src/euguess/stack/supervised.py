"""One server under supervision: started again when it ends or does not respond."""

import time
from collections.abc import Callable
from pathlib import Path

from euguess.errors import EUGuessError
from euguess.stack.processes import RunningServer, ServerSpec, start
from euguess.stack.restarts import Restarts

HEALTH_SECONDS = 5.0  # between health checks
UNHEALTHY_SECONDS = 60.0  # a busy machine delays responses

Announce = Callable[[str], None]


class SupervisedServer:
    """A server that `tend` keeps running, however often it ends."""

    def __init__(
        self,
        spec: ServerSpec,
        log_path: Path,
        announce: Announce,
        restarts: Restarts,
        unhealthy_seconds: float = UNHEALTHY_SECONDS,
    ) -> None:
        self._spec = spec
        self._log_path = log_path
        self._announce = announce
        self._restarts = restarts
        self._unhealthy_seconds = unhealthy_seconds
        self._server: RunningServer | None = None
        self._due = 0.0  # when to start it again
        self._checked = self._healthy_until = 0.0

    @property
    def pid(self) -> int | None:
        """Process id, or None while the server is down."""
        return None if self._server is None else self._server.pid

    @property
    def trouble(self) -> str | None:
        """What is wrong with the server, or None."""
        now = time.monotonic()
        if self._restarts.is_looping(now):
            return f"ended {self._restarts.ends(now)} times recently; see {self._log_path}"
        return None if self._server is not None else "is being restarted"

    def start(self) -> None:
        """Start the server without waiting. Raises PortInUse or ServiceUnavailable."""
        self._server = start(self._spec, self._log_path)
        self._healthy_until = time.monotonic() + self._spec.ready_seconds

    def wait_ready(self) -> None:
        """Block until the server is ready. Raises ServiceUnavailable."""
        if self._server is not None:
            self._server.wait_ready()
        self._healthy_until = time.monotonic()

    def tend(self) -> None:
        """Stop the server if it has failed; start it again when that is due."""
        if self._server is None:
            self._start_when_due()
            return
        failure = self._failure(self._server)
        if failure is not None:
            self._server.stop()  # or whatever is left of its process group
            self._server = None
            self._pause(failure)

    def stop(self) -> None:
        """Stop the server for good; harmless if it is down."""
        if self._server is not None:
            self._server.stop()

    def _failure(self, server: RunningServer) -> str | None:
        if server.exit_code is not None:
            return f"ended with exit code {server.exit_code}"
        if self._is_unhealthy():
            return f"has not responded for {self._unhealthy_seconds:g} seconds"
        return None

    def _is_unhealthy(self) -> bool:
        now = time.monotonic()
        if now - self._checked < HEALTH_SECONDS:
            return False
        self._checked = now
        if self._spec.healthy():
            self._healthy_until = now
        return now - self._healthy_until > self._unhealthy_seconds

    def _start_when_due(self) -> None:
        if time.monotonic() < self._due:
            return
        try:
            self.start()
        except EUGuessError as error:
            self._pause(f"could not be started: {error}")

    def _pause(self, failure: str) -> None:
        now = time.monotonic()
        delay = self._restarts.delay_after_end(now)
        self._due = now + delay
        loop = f" It keeps ending; see its log: {self._log_path}"
        hint = loop if self._restarts.is_looping(now) else ""
        self._announce(f"{self._spec.name} {failure}; restarting it in {delay:g} s.{hint}")
