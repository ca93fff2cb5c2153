"""Locks between processes of one machine."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from euguess.errors import EUGuessError

LOCK_FILE = "lock"  # stays in the folder


@contextlib.contextmanager
def folder_lock(folder: Path, *, busy: EUGuessError | None = None) -> Iterator[None]:
    """Lock a folder, and create it if absent. The lock ends with this process at the latest.

    Wait while another process holds the lock, or raise `busy` at once if it is given.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / LOCK_FILE, blocking=busy is None)
    try:
        lock.acquire()
    except Timeout:
        raise (busy or EUGuessError(f"{folder} is locked.")) from None
    try:
        yield
    finally:
        lock.release()
