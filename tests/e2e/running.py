"""Run `euguess` as users do, and find the processes that it leaves."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from euguess.process.ports import is_free
from euguess.settings import child_environment
from euguess.stack.plan import PORT_COUNT

PROJECT_ROOT = Path(__file__).resolve().parents[2]
EUGUESS = (sys.executable, "-m", "euguess.cli")


def free_port_base() -> int:
    """Return a base with enough free ports above it, below the ports of outgoing connections.

    Test processes that run at the same time search different ranges.
    """
    worker = child_environment().get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = 20_000 + 3_000 * (int(worker) % 4)
    for base in range(first, first + 3_000, 50):
        if all(is_free(base + i) for i in range(PORT_COUNT)):
            return base
    raise AssertionError("no free block of ports")


def eventually(is_true: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.2)


def processes_of(home: Path) -> list[str]:
    """Return the command lines of a stack's live processes, found by environment or arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            mark = f"EUGUESS_HOME={home}"
            variables = [f"{k}={v}" for k, v in process.environ().items() if k == "EUGUESS_HOME"]
            line = " ".join(process.cmdline())
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
        if process.pid != os.getpid() and (mark in variables or str(home) in line):
            found.append(line)
    return found


@dataclass(frozen=True)
class DemoStack:
    """A running stack that has completed the demonstration."""

    home: Path
    port_base: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def euguess(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command beside the stack, as in a second terminal."""
        return run_euguess(self.home, arguments)


def run_euguess(
    home: Path, arguments: Sequence[str], seconds: float = 600
) -> subprocess.CompletedProcess[str]:
    """Run `euguess` with a home, in a terminal wide enough for all tables."""
    return subprocess.run(
        [*EUGUESS, *arguments],
        env=child_environment(EUGUESS_HOME=str(home), COLUMNS="160"),
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
