"""Backups are complete or absent, and a restore changes nothing before all checks pass."""

import io
import json
import os
import shutil
import socket
import tarfile
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from typer.testing import CliRunner

from euguess.deployment import archives, backup_commands
from euguess.deployment.archives import REPLACED, STAGED, UnsafeArchive
from euguess.deployment.backup import (
    BackupFailed,
    VolumeInUse,
    restore_backup,
    write_backup,
)
from euguess.deployment.backup_manifest import BackupInvalid
from euguess.errors import DiskFull, EUGuessError
from tests.support.requirements import needs_root

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def volumes(tmp_path: Path) -> Path:
    """Two volumes with folders, an empty file, a link and two names of one file."""
    folder = tmp_path / "volumes"
    (folder / "minio" / "bucket" / "empty").mkdir(parents=True)
    (folder / "minio" / "bucket" / "photo.jpg").write_bytes(b"\xff\xd8" + bytes(5000))
    (folder / "minio" / "bucket" / "empty.txt").touch()
    (folder / "minio" / "latest").symlink_to("bucket/photo.jpg")
    os.link(folder / "minio" / "bucket" / "photo.jpg", folder / "minio" / "second name.jpg")
    (folder / "secrets").mkdir(mode=0o750)
    (folder / "secrets" / "redis_password").write_text("marker")
    (folder / "secrets" / "redis_password").chmod(0o440)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "backups"
    folder.mkdir()
    return folder


@pytest.fixture
def saved(volumes: Path, target: Path) -> Path:
    return write_backup(volumes, target, NOON)[0]


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    """Empty volumes, as on a new machine."""
    for name in ("minio", "secrets"):
        (tmp_path / "new" / name).mkdir(parents=True)
    return tmp_path / "new"


def picture(folder: Path) -> dict[str, tuple[int, int, int, str | bytes]]:
    """Return mode, owner and contents of a folder and of everything in it."""
    return {path.relative_to(folder).as_posix(): _facts(path) for path in [folder, *_all(folder)]}


def _all(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


def _facts(path: Path) -> tuple[int, int, int, str | bytes]:
    state = path.lstat()
    if path.is_symlink():
        contents: str | bytes = str(path.readlink())
    else:
        contents = "" if path.is_dir() else path.read_bytes()
    return state.st_mode, state.st_uid, state.st_gid, contents


def write_foreign(folder: Path, *members: tarfile.TarInfo, format_version: int = 1) -> Path:
    """Write a backup of the volume minio with the given members and a matching manifest."""
    folder.mkdir()
    with tarfile.open(folder / "minio.tar", "w") as archive:
        for each in members:
            archive.addfile(each, io.BytesIO(bytes(each.size)))
    record = {
        "files": len(members),
        "bytes": sum(each.size for each in members),
        "sha256": sha256((folder / "minio.tar").read_bytes()).hexdigest(),
    }
    write_manifest(folder, format_version=format_version, volumes={"minio": record})
    return folder


def write_manifest(folder: Path, **fields: object) -> None:
    text = json.dumps({"created_at": NOON.isoformat(), **fields})
    (folder / "manifest.json").write_text(text)


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o600
    return info


def test_a_backup_lists_its_contents(saved: Path) -> None:
    manifest = json.loads((saved / "manifest.json").read_text())
    assert manifest["format_version"] == 1
    assert manifest["created_at"] == "2026-11-23T12:00:00Z"
    assert manifest["volumes"]["minio"] == {
        "files": 4,
        "bytes": 5002,
        "sha256": sha256((saved / "minio.tar").read_bytes()).hexdigest(),
        "left_out": [],
    }


def test_only_the_owner_can_read_a_backup(saved: Path) -> None:
    assert saved.name == "20261123T120000Z"
    assert saved.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in saved.iterdir()} == {0o600}


@needs_root
def test_a_backup_belongs_to_the_owner_of_the_target(volumes: Path, target: Path) -> None:
    os.chown(target, 12345, 12346)
    folder, _ = write_backup(volumes, target, NOON)
    states = [path.stat() for path in (folder, *folder.iterdir())]
    assert {(state.st_uid, state.st_gid) for state in states} == {(12345, 12346)}


def test_a_restore_restores_everything(saved: Path, volumes: Path, empty: Path) -> None:
    restore_backup(saved, empty, replace=False)
    assert picture(empty / "minio") == picture(volumes / "minio")
    assert picture(empty / "secrets") == picture(volumes / "secrets")
    assert (empty / "minio" / "second name.jpg").stat().st_nlink == 2


@needs_root
def test_owners_are_kept_as_numbers(volumes: Path, target: Path, empty: Path) -> None:
    os.chown(volumes / "secrets" / "redis_password", 0, 20001)
    os.chown(volumes / "minio", 10001, 10001)
    restore_backup(write_backup(volumes, target, NOON)[0], empty, replace=False)
    assert (empty / "secrets" / "redis_password").stat().st_gid == 20001
    assert (empty / "minio").stat().st_uid == 10001


def test_a_volume_with_contents_is_not_overwritten(saved: Path, volumes: Path) -> None:
    (volumes / "minio" / "new.txt").write_text("later")
    before = picture(volumes)
    with pytest.raises(VolumeInUse, match="minio is not empty; --replace"):
        restore_backup(saved, volumes, replace=False)
    assert picture(volumes) == before


def test_replace_deletes_the_old_contents(saved: Path, volumes: Path) -> None:
    before = picture(volumes)
    (volumes / "minio" / "new.txt").write_text("later")
    (volumes / "secrets" / "redis_password").unlink()
    restore_backup(saved, volumes, replace=True)
    assert picture(volumes) == before


def test_a_new_file_system_counts_as_empty(saved: Path, empty: Path) -> None:
    (empty / "minio" / "lost+found").mkdir()
    restore_backup(saved, empty, replace=False)
    assert (empty / "minio" / "lost+found").is_dir()


def test_a_failed_backup_leaves_nothing_behind(
    volumes: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        assert [path.name for path in target.iterdir()] == ["20261123T120000Z.partial"]
        raise OSError(5, "Input/output error", "redis.tar")

    monkeypatch.setattr("euguess.deployment.backup.write_archive", fail)
    with pytest.raises(BackupFailed, match=r"cannot be written: redis.tar Input/output error"):
        write_backup(volumes, target, NOON)
    assert list(target.iterdir()) == []


def test_a_partial_backup_is_not_restored(saved: Path, empty: Path) -> None:
    with pytest.raises(BackupInvalid, match="never completed"):
        restore_backup(saved.rename(f"{saved}.partial"), empty, replace=False)


def test_a_second_backup_within_a_second_is_refused(saved: Path, volumes: Path) -> None:
    with pytest.raises(BackupFailed, match="already exists"):
        write_backup(volumes, saved.parent, NOON)


def test_a_backup_without_volumes_is_refused(tmp_path: Path, target: Path) -> None:
    (tmp_path / "nothing").mkdir()
    with pytest.raises(BackupFailed, match="There is no volume"):
        write_backup(tmp_path / "nothing", target, NOON)


def test_a_missing_target_is_named(volumes: Path, tmp_path: Path) -> None:
    with pytest.raises(BackupFailed, match="No such file"):
        write_backup(volumes, tmp_path / "missing", NOON)


@pytest.fixture
def small_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=100))


@pytest.mark.usefixtures("small_disk")
def test_a_backup_that_does_not_fit_is_not_started(volumes: Path, target: Path) -> None:
    with pytest.raises(DiskFull, match="0 MB are free"):
        write_backup(volumes, target, NOON)
    assert list(target.iterdir()) == []


def test_a_restore_that_does_not_fit_is_not_started(
    saved: Path, volumes: Path, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("small_disk")
    before = picture(volumes)
    with pytest.raises(DiskFull, match="0 MB are free"):
        restore_backup(saved, volumes, replace=True)
    assert picture(volumes) == before


def test_sockets_pipes_and_links_out_of_the_volume_are_left_out(
    volumes: Path, target: Path, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(volumes / "secrets")  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        os.mkfifo("pipe")
        Path("out").symlink_to("../minio")
        Path("absolute").symlink_to("/etc/passwd")
        folder, manifest = write_backup(volumes, target, NOON)
    assert set(manifest.volumes["secrets"].left_out) == {"absolute", "out", "pipe", "socket"}
    restore_backup(folder, empty, replace=False)
    assert [path.name for path in (empty / "secrets").iterdir()] == ["redis_password"]


def flip_a_byte(saved: Path) -> None:
    data = bytearray((saved / "minio.tar").read_bytes())
    data[3000] ^= 1
    (saved / "minio.tar").write_bytes(data)


def cut(saved: Path) -> None:
    os.truncate(saved / "minio.tar", 2000)


def lengthen(saved: Path) -> None:
    with (saved / "minio.tar").open("ab") as file:
        file.write(b"more")


def lose(saved: Path) -> None:
    (saved / "minio.tar").unlink()


def fill_with_zeros(saved: Path) -> None:
    (saved / "minio.tar").write_bytes(b"")


def break_manifest(saved: Path) -> None:
    os.truncate(saved / "manifest.json", 50)


@pytest.mark.parametrize(
    "damage", [flip_a_byte, cut, lengthen, lose, fill_with_zeros, break_manifest]
)
def test_a_damaged_backup_changes_nothing(
    saved: Path, volumes: Path, damage: Callable[[Path], None]
) -> None:
    damage(saved)
    (volumes / "minio" / "new.txt").write_text("later")
    before = picture(volumes)
    with pytest.raises(BackupInvalid, match="take another backup"):
        restore_backup(saved, volumes, replace=True)
    assert picture(volumes) == before


def test_another_format_is_refused_before_the_rest_is_read(tmp_path: Path, empty: Path) -> None:
    folder = write_foreign(tmp_path / "old", format_version=2)
    with pytest.raises(BackupInvalid, match="has format 2, but this version of EUGuess reads 1"):
        restore_backup(folder, empty, replace=False)


def test_the_parent_folder_of_a_backup_is_refused(saved: Path, empty: Path) -> None:
    with pytest.raises(BackupInvalid, match=r"no manifest.json in that folder"):
        restore_backup(saved.parent, empty, replace=False)


def test_a_volume_unknown_to_the_stack_is_named(saved: Path, empty: Path) -> None:
    (empty / "minio").rmdir()
    with pytest.raises(BackupInvalid, match="has a volume minio that this stack does not have"):
        restore_backup(saved, empty, replace=False)
    assert list((empty / "secrets").iterdir()) == []


def test_a_manifest_cannot_name_a_folder_outside_the_backup(tmp_path: Path, empty: Path) -> None:
    folder = write_foreign(tmp_path / "foreign")
    record = {"files": 0, "bytes": 0, "sha256": "0" * 64}
    write_manifest(folder, format_version=1, volumes={"../../etc": record})
    with pytest.raises(BackupInvalid, match="cannot be read"):
        restore_backup(folder, empty, replace=False)


@pytest.mark.parametrize(
    "members",
    [
        [member("/etc/cron.d/job")],
        [member("../outside")],
        [member("folder/../../outside")],
        [member("link", tarfile.SYMTYPE, "/etc")],
        [member("link", tarfile.SYMTYPE, "../..")],
        [member("link", tarfile.LNKTYPE, "/etc/passwd")],
        [member("link", tarfile.LNKTYPE, "../../etc/passwd")],
        [member("link", tarfile.SYMTYPE, "folder"), member("link/file")],
        [member("link", tarfile.SYMTYPE, "file"), member("link")],
        [member("link", tarfile.SYMTYPE, "file"), member("hard", tarfile.LNKTYPE, "link")],
        [member("null", tarfile.CHRTYPE)],
        [member("disk", tarfile.BLKTYPE)],
        [member("pipe", tarfile.FIFOTYPE)],
    ],
)
def test_unsafe_archive_members_are_refused(
    tmp_path: Path, empty: Path, members: list[tarfile.TarInfo]
) -> None:
    folder = write_foreign(tmp_path / "foreign", *members)
    with pytest.raises(UnsafeArchive, match=r"minio.tar holds"):
        restore_backup(folder, empty, replace=True)
    assert list((empty / "minio").iterdir()) == []


def test_a_link_to_a_missing_file_changes_nothing(tmp_path: Path, empty: Path) -> None:
    folder = write_foreign(tmp_path / "foreign", member("link", tarfile.LNKTYPE, "missing"))
    with pytest.raises(BackupInvalid, match="cannot be unpacked"):
        restore_backup(folder, empty, replace=False)
    assert list((empty / "minio").iterdir()) == []


def test_a_disk_that_fills_up_during_a_restore_changes_nothing(
    saved: Path, volumes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_at_the_second(path: Path, folder: Path, advance: archives.Advance) -> None:
        if path.name == "secrets.tar":
            raise OSError(28, "No space left on device")
        archives.extract_archive(path, folder, advance)

    monkeypatch.setattr("euguess.deployment.backup.extract_archive", fail_at_the_second)
    before = picture(volumes)
    with pytest.raises(DiskFull, match="The disk is full"):
        restore_backup(saved, volumes, replace=True)
    assert picture(volumes) == before


def test_an_interrupted_restore_can_be_repeated_but_not_backed_up(
    saved: Path, volumes: Path
) -> None:
    before = picture(volumes)
    for name in (STAGED, REPLACED):
        (volumes / "minio" / name).mkdir()
        (volumes / "minio" / name / "half").touch()
    with pytest.raises(VolumeInUse, match="was interrupted; restore again"):
        write_backup(volumes, saved.parent, NOON.replace(hour=13))
    restore_backup(saved, volumes, replace=True)
    assert picture(volumes) == before


def test_progress_counts_all_bytes(volumes: Path, target: Path) -> None:
    (volumes / "minio" / "second name.jpg").unlink()  # a hard link
    metered: dict[str, list[int]] = {}

    def meter(name: str, total_bytes: int) -> archives.Advance:
        metered[name] = [total_bytes, 0]
        return lambda count: metered[name].__setitem__(1, metered[name][1] + count)

    write_backup(volumes, target, NOON, meter)
    for total_bytes, passed in metered.values():
        assert 0 <= passed - total_bytes <= 2 * tarfile.RECORDSIZE  # tar pads its last record


def test_the_commands_back_up_and_restore(volumes: Path, target: Path, empty: Path) -> None:
    app = typer.Typer()
    backup_commands.register(app)
    run = CliRunner().invoke
    result = run(app, ["backup", "--volumes", str(volumes), "--target", str(target)])
    assert "The backup is complete" in result.output
    (folder,) = target.iterdir()
    arguments = ["restore", "--volumes", str(empty), "--source", str(folder)]
    assert "is restored" in run(app, arguments).output
    assert picture(empty / "minio") == picture(volumes / "minio")
    assert isinstance(run(app, arguments).exception, EUGuessError)
