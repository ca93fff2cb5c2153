"""Atomic writes."""

import os
import stat
from pathlib import Path

import pytest

from euguess.process.files import staged, write_atomically


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "facts.json"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError), staged(path) as part:
        part.write_text("cut off here: \ud800")
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["facts.json"]


def test_a_write_replaces_the_leftovers_of_a_killed_writer(tmp_path: Path) -> None:
    (tmp_path / "facts.json.part").write_text("longer than the new content")
    write_atomically(tmp_path / "facts.json", b"new")
    assert (tmp_path / "facts.json").read_text() == "new"
    assert os.listdir(tmp_path) == ["facts.json"]


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
