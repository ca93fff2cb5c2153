"""Locks between processes."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from euguess.errors import EUGuessError
from euguess.process.locks import folder_lock

HOLDER = """
import sys, time
from pathlib import Path
from euguess.process.locks import folder_lock

with folder_lock(Path(sys.argv[1])):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Another process that holds the lock of tmp_path."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process
        process.kill()


def test_a_lock_that_another_process_holds_is_refused(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    with (
        pytest.raises(EUGuessError, match="busy"),
        folder_lock(tmp_path, busy=EUGuessError("busy")),
    ):
        pass


def test_the_lock_of_a_killed_process_is_released(
    tmp_path: Path, holder: "subprocess.Popen[bytes]"
) -> None:
    holder.kill()
    with folder_lock(tmp_path):
        assert (tmp_path / "lock").exists()


def test_a_folder_can_be_locked_again_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), folder_lock(tmp_path / "new"):
        _ = 1 // 0
    with folder_lock(tmp_path / "new", busy=EUGuessError("busy")):
        pass
