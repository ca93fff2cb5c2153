"""Run a program as a child: stop it with this process, and when it makes no progress."""

import contextlib
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from queue import Empty, SimpleQueue

from euguess.errors import ServiceUnavailable
from euguess.process.children import end_tree

POLL_SECONDS = 0.2
CHECK_SECONDS = 5.0
STOP_SECONDS = 7.0  # between SIGTERM and SIGKILL
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Problem = Callable[[], str | None]
Signals = SimpleQueue[signal.Signals]


def run_child(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    problem: Problem = lambda: None,
    ctrl_c_seconds: float = 0.0,
    stop_seconds: float = STOP_SECONDS,
) -> int:
    """Run a program to its end and return its exit code; minus the signal that ended it.

    SIGTERM, SIGHUP and Ctrl-C end the program with SIGTERM, and with SIGKILL after
    `stop_seconds`. A terminal sends Ctrl-C to the program too, which has `ctrl_c_seconds` to end
    by itself. Raises ServiceUnavailable, after the program has ended, when `problem` finds one.
    """
    with _received_signals() as received:
        process = subprocess.Popen(command, env=environment)
        try:
            found = _watch(process, received, problem, ctrl_c_seconds)
        finally:
            end_tree(process, stop_seconds)
    if found is not None:
        raise ServiceUnavailable(f"The process was ended: {found}.")
    return process.returncode


def _watch(
    process: "subprocess.Popen[bytes]", received: Signals, problem: Problem, ctrl_c_seconds: float
) -> str | None:
    """Wait for the end of a process, a signal or a problem; return the problem."""
    checked = time.monotonic()
    while process.poll() is None:
        with contextlib.suppress(Empty):
            if received.get(timeout=POLL_SECONDS) is signal.SIGINT:
                _wait(process, ctrl_c_seconds)
            return None
        if time.monotonic() - checked > CHECK_SECONDS:
            checked = time.monotonic()
            found = problem()
            if found is not None:
                return found
    return None


def _wait(process: "subprocess.Popen[bytes]", seconds: float) -> None:
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


@contextlib.contextmanager
def _received_signals() -> Iterator[Signals]:
    """Collect signals that ask this process to stop, instead of ending at once."""
    received: Signals = SimpleQueue()
    before = {
        number: signal.signal(number, lambda which, _: received.put(signal.Signals(which)))
        for number in STOP_SIGNALS
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
