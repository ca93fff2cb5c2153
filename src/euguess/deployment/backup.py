"""Backups of the containers' volumes: complete or absent, and checked before a restore."""

import errno
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from euguess.deployment.archives import (
    REPLACED,
    STAGED,
    Advance,
    archive_bytes,
    check_archive,
    extract_archive,
    remove,
    write_archive,
)
from euguess.deployment.backup_manifest import (
    FORMAT_VERSION,
    MANIFEST,
    PARTIAL,
    BackupInvalid,
    BackupManifest,
    VolumeRecord,
    read_manifest,
)
from euguess.errors import DiskFull, EUGuessError
from euguess.process.files import sync, write_atomically

DISK_BLOCK = 4096

StartProgress = Callable[[str, int], Advance]  # takes volume and total bytes


class BackupFailed(EUGuessError):
    """The backup could not be written."""


class VolumeInUse(EUGuessError):
    """A volume is not in the required state."""


def no_progress(_volume: str, _total_bytes: int) -> Advance:
    """Report no progress."""
    return lambda _count: None


def write_backup(
    volumes: Path, target: Path, created_at: datetime, progress: StartProgress = no_progress
) -> tuple[Path, BackupManifest]:
    """Archive each folder of `volumes` in a new folder of `target` that only its owner can read.

    Raises BackupFailed, DiskFull or VolumeInUse, and leaves nothing new in the target.
    """
    folder = target / f"{created_at:%Y%m%dT%H%M%SZ}"
    partial = folder.with_name(folder.name + PARTIAL)
    if folder.exists() or partial.exists():
        raise BackupFailed(f"{folder.name} already exists; try again in a second.")
    with _disk_errors_as(BackupFailed, "The backup cannot be written"):
        sizes = {path.name: archive_bytes(path) for path in _sources(volumes)}
        require_room(target, sum(sizes.values()))
        partial.mkdir(mode=0o700)
        try:
            manifest = _write_all(volumes, partial, sizes, created_at, progress)
            _make_private(partial, target)
            partial.rename(folder)
            sync(target)
        finally:
            remove(partial)
    return folder, manifest


def restore_backup(
    source: Path, volumes: Path, *, replace: bool, progress: StartProgress = no_progress
) -> BackupManifest:
    """Check a backup completely, then restore the folders of `volumes` from it.

    The old contents are deleted after everything is unpacked. Raises BackupInvalid, UnsafeArchive,
    VolumeInUse or DiskFull, and leaves the volumes unchanged.
    """
    manifest = read_manifest(source)
    targets = {name: _target(volumes, name) for name in manifest.volumes}
    if not replace:
        for name, volume in targets.items():
            _require_empty(name, volume)
    with _disk_errors_as(BackupInvalid, "The backup cannot be read"):
        for name, record in manifest.volumes.items():
            _check(source, name, record, progress)
    with _disk_errors_as(BackupInvalid, "The backup cannot be restored"):
        _require_room_for(manifest, targets)
        try:
            for name, volume in targets.items():
                _stage(source, name, volume, progress)
        except BaseException:
            for volume in targets.values():
                remove(volume / STAGED)
            raise
        for volume in targets.values():
            _put_in_place(volume)
        for volume in targets.values():
            remove(volume / REPLACED)
    return manifest


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFull if the disk of a folder has less free space."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        raise DiskFull(
            f"Needs {needed_bytes / 2**20:,.0f} MB, and {free / 2**20:,.0f} MB are free. "
            "Free some space or choose another disk."
        )


def _write_all(
    volumes: Path,
    partial: Path,
    sizes: dict[str, int],
    created_at: datetime,
    progress: StartProgress,
) -> BackupManifest:
    records = {}
    for name, size in sizes.items():
        summary = write_archive(volumes / name, _archive(partial, name), progress(name, size))
        records[name] = VolumeRecord(
            files=summary.files,
            bytes=summary.content_bytes,
            sha256=summary.sha256,
            left_out=summary.left_out,
        )
    manifest = BackupManifest(format_version=FORMAT_VERSION, created_at=created_at, volumes=records)
    write_atomically(partial / MANIFEST, manifest.model_dump_json(indent=2) + "\n", durable=True)
    return manifest


def _sources(volumes: Path) -> list[Path]:
    found = sorted(path for path in volumes.iterdir() if path.is_dir())
    if not found:
        raise BackupFailed(f"There is no volume in {volumes}.")
    for volume in found:
        if (volume / REPLACED).exists():
            raise VolumeInUse(
                f"A restore of the volume {volume.name} was interrupted; restore again with "
                "--replace before you take a backup."
            )
    return found


def _target(volumes: Path, name: str) -> Path:
    volume = volumes / name
    if not volume.is_dir():
        raise BackupInvalid(f"The backup has a volume {name} that this stack does not have.")
    return volume


def _require_empty(name: str, volume: Path) -> None:
    if any(path.name not in (STAGED, "lost+found") for path in volume.iterdir()):
        raise VolumeInUse(
            f"The volume {name} is not empty; --replace (make restore REPLACE=yes) deletes the "
            "contents of all volumes."
        )


def _check(source: Path, name: str, record: VolumeRecord, progress: StartProgress) -> None:
    path = _archive(source, name)
    if not path.is_file():
        raise BackupInvalid(f"{path.name} is missing; take another backup.")
    try:
        found = check_archive(path, progress(f"check {name}", path.stat().st_size))
    except tarfile.TarError as error:
        raise BackupInvalid(f"{path.name} is damaged ({error}); take another backup.") from error
    if (found.sha256, found.files, found.content_bytes) != (
        record.sha256,
        record.files,
        record.bytes,
    ):
        raise BackupInvalid(
            f"{path.name} does not match {MANIFEST} (SHA-256 {found.sha256[:12]}..., recorded "
            f"{record.sha256[:12]}...); it is damaged, take another backup."
        )


def _require_room_for(manifest: BackupManifest, targets: dict[str, Path]) -> None:
    needed: dict[int, int] = {}
    for name, volume in targets.items():
        record, disk = manifest.volumes[name], volume.stat().st_dev
        needed[disk] = needed.get(disk, 0) + record.bytes + record.files * DISK_BLOCK
        require_room(volume, needed[disk])


def _stage(source: Path, name: str, volume: Path, progress: StartProgress) -> None:
    path, staged = _archive(source, name), volume / STAGED
    remove(staged)
    staged.mkdir(mode=0o700)
    try:
        extract_archive(path, staged, progress(f"unpack {name}", path.stat().st_size))
    except (tarfile.TarError, KeyError) as error:
        raise BackupInvalid(f"{path.name} cannot be unpacked: {error}.") from error


def _put_in_place(volume: Path) -> None:
    """Swap old and new contents by renaming; the old ones are kept until all volumes are done."""
    staged, replaced = volume / STAGED, volume / REPLACED
    remove(replaced)
    replaced.mkdir(mode=0o700)
    for path in list(volume.iterdir()):
        if path not in (staged, replaced) and path.name != "lost+found":
            path.rename(replaced / path.name)
    state = staged.stat()
    for path in list(staged.iterdir()):
        path.rename(volume / path.name)
    staged.rmdir()
    if os.geteuid() == 0:
        os.chown(volume, state.st_uid, state.st_gid)
    volume.chmod(state.st_mode & 0o7777)


def _make_private(folder: Path, target: Path) -> None:
    """Let only the owner of the target read the backup, since it contains secrets."""
    owner = target.stat()
    for path in [*folder.iterdir(), folder]:
        path.chmod(0o700 if path.is_dir() else 0o600)
        if os.geteuid() == 0:
            os.chown(path, owner.st_uid, owner.st_gid)
    sync(folder)


def _archive(folder: Path, name: str) -> Path:
    return folder / f"{name}.tar"


@contextmanager
def _disk_errors_as(kind: type[EUGuessError], beginning: str) -> Iterator[None]:
    """Turn an OSError into DiskFull or the given error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull("The disk is full. Free some space or choose another disk.") from error
        raise kind(f"{beginning}: {error.filename or ''} {error.strerror or error}.") from error
