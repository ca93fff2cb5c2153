"""Atomic writes: after a crash at any point, a file is complete or absent, never partial."""

import contextlib
import errno
import fcntl
import glob
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from euguess.errors import DiskFull

_NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@contextlib.contextmanager
def staged(
    path: Path, *, mode: int | None = None, group: int | None = None, durable: bool = False
) -> Iterator[Path]:
    """Yield the path of an empty file beside `path`; rename it to `path` when the block succeeds.

    A file with a `mode` is private to its owner until it is complete. A `durable` file is synced
    before the rename, and its folder after it, so that it survives a power cut. If the block
    fails, nothing is left behind; what a killed process leaves, the next writer of the path
    removes. Several may write the same path at a time: the last one wins.
    """
    _remove_leftovers(path)
    part, lock = _create_part(path, 0o666 if mode is None else 0o600)
    try:
        yield part
        if group is not None:
            os.chown(part, -1, group)
        if mode is not None:
            part.chmod(mode)
        if durable:
            sync(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
        os.close(lock)
    if durable:
        sync(path.parent)


def _create_part(path: Path, mode: int) -> tuple[Path, int]:
    """Create a file with a name of its own, locked as long as its writer lives."""
    while True:
        part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        fcntl.flock(handle, fcntl.LOCK_EX)
        if part.exists():
            return part, handle
        os.close(handle)  # another writer took it for a leftover before it was locked


def _remove_leftovers(path: Path) -> None:
    """Remove the files of killed writers: nobody locks them."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError), part.open("rb") as file:  # in use, or another user's
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink(missing_ok=True)


def write_atomically(
    path: Path,
    data: bytes | str,
    *,
    mode: int | None = None,
    group: int | None = None,
    durable: bool = False,
) -> None:
    """Write a file and create its folder if needed; see `staged` for the options."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with staged(path, mode=mode, group=group, durable=durable) as part:
        part.write_bytes(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def room_errors(message: str) -> Iterator[None]:
    """Convert the system's disk-full errors to DiskFull with this message."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NO_ROOM:
            raise
        raise DiskFull(message) from None


def sync(path: Path) -> None:
    """Flush a file, or the names in a folder, from the system's buffers to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
