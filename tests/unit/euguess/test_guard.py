"""A program that runs as a child ends with its parent, and when it makes no progress."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from euguess.errors import ServiceUnavailable
from euguess.process import guard
from euguess.process.guard import run_child
from euguess.settings import child_environment

STUBBORN = """
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
time.sleep(60)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_the_exit_code_is_passed_on() -> None:
    assert run_child(python("raise SystemExit(7)"), child_environment()) == 7


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_program(number: signal.Signals) -> None:
    threading.Timer(0.3, os.kill, (os.getpid(), number)).start()
    sleeper = python("import time; time.sleep(60)")
    assert run_child(sleeper, child_environment()) == -signal.SIGTERM


def test_a_program_may_end_by_itself_after_ctrl_c(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    saves = f"""
import pathlib, signal, time
def save(*_): time.sleep(0.5); raise SystemExit(130)
signal.signal(signal.SIGINT, save)
pathlib.Path({str(ready)!r}).touch()
time.sleep(60)
"""
    runner = f"""
import sys
from euguess.process.guard import run_child
from euguess.settings import child_environment
sys.exit(run_child([sys.executable, "-c", {saves!r}], child_environment(), ctrl_c_seconds=20))
"""
    process = subprocess.Popen(python(runner), start_new_session=True)
    while not ready.exists():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    assert process.wait(30) == 130


def test_a_program_that_ignores_the_signal_is_killed() -> None:
    threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGTERM)).start()
    assert run_child(python(STUBBORN), child_environment(), stop_seconds=0.1) in {
        -signal.SIGKILL,
        -signal.SIGTERM,  # before it ignored the signal
    }


def test_a_program_without_progress_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "CHECK_SECONDS", 0.0)
    with pytest.raises(ServiceUnavailable, match="was ended: it hangs"):
        run_child(
            python("import time; time.sleep(60)"), child_environment(), problem=lambda: "it hangs"
        )
