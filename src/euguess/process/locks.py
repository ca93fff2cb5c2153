"""Locks between processes of one machine."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from euguess.errors import EUGuessError

LOCK_FILE = "lock"  # stays in the folder


def folder_lock(
    folder: Path, *, busy: EUGuessError | None = None
) -> contextlib.AbstractContextManager[None]:
    """Lock a folder, and create it if absent; see file_lock."""
    return file_lock(folder / LOCK_FILE, busy=busy)


@contextlib.contextmanager
def file_lock(path: Path, *, busy: EUGuessError | None = None) -> Iterator[None]:
    """Lock a file, and create it if absent. The lock ends with this process at the latest.

    Wait while another process holds the lock, or raise `busy` at once if it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path, blocking=busy is None)
    try:
        lock.acquire()
    except Timeout:
        raise (busy or EUGuessError(f"{path} is locked.")) from None
    try:
        yield
    finally:
        lock.release()
