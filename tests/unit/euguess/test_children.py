"""Ending child processes."""

import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from euguess.process.children import end_group, end_tree

# The parent starts a child and, if requested, ignores SIGTERM; both print their process ids.
PARENT = """
import signal, subprocess, sys, time
if sys.argv[1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def start(manner: str) -> tuple["subprocess.Popen[bytes]", psutil.Process]:
    """A process that leads a session, and its child."""
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, manner], stdout=subprocess.PIPE, start_new_session=True
    )
    assert parent.stdout is not None
    with parent.stdout as output:
        return parent, psutil.Process(int(output.readline()))


def is_gone(process: psutil.Process) -> bool:
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.parametrize("end", [end_tree, end_group])
@pytest.mark.parametrize("manner", ["obedient", "stubborn"])
def test_a_process_ends_with_its_children(
    manner: str, end: Callable[["subprocess.Popen[bytes]", float], None]
) -> None:
    parent, child = start(manner)
    end(parent, 0.2)
    assert parent.returncode is not None
    assert is_gone(child)
    end(parent, 0.2)  # harmless
