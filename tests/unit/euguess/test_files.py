"""Atomic writes."""

import os
import signal
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from euguess.process.files import staged, write_atomically
from euguess.stack.credentials import load_credentials


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError), staged(path) as part:
        part.write_text("cut off here: \ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["facts.json"]


KILLED = """
import os, signal, sys
from pathlib import Path
from euguess.process.files import staged
with staged(Path(sys.argv[1])) as part:
    part.write_text("cut off")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_write_removes_the_leftovers_of_a_killed_writer(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["facts.json"]


def test_of_two_writers_at_a_time_the_last_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    with staged(path) as first:
        first.write_text("first")
        with staged(path) as second:
            second.write_text("second")
        assert path.read_text() == "second"
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["facts.json"]


def test_first_starts_at_the_same_time_get_the_same_credentials(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(20):
            home = tmp_path / str(number)
            found = list(pool.map(lambda _, home=home: load_credentials(home), range(8)))
            assert len({credentials.redis_password for credentials in found}) == 1


def test_a_file_with_a_mode_is_private_until_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o666)
    with staged(path, mode=0o640) as part:
        assert part.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_durable_write_syncs_the_file_before_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, order = os.fsync, []

    def watch(handle: int) -> None:
        order.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        sync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    write_atomically(tmp_path / "facts.json", "new", durable=True)
    assert order == ["file", "folder"]
