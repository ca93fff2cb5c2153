"""Files of a cache build: lock, disk space, and installation of finished files."""

import shutil
from contextlib import AbstractContextManager
from pathlib import Path

from euguess.errors import DiskFull, EUGuessError
from euguess.process.files import room_errors, sync
from euguess.process.locks import folder_lock
from services.trainer.cache.format import HEADER, IMAGES, INDEX

BUILDING = "building-"  # prefix of the folders in which caches are built


def locked(folder: Path) -> AbstractContextManager[None]:
    """Lock the folder. Raises EUGuessError if another process is building in it."""
    busy = EUGuessError(f"Another process is building {folder}; wait until it is done.")
    return folder_lock(folder, busy=busy)


def cache_room_errors(folder: Path) -> AbstractContextManager[None]:
    """Convert the system's disk-full errors to DiskFull."""
    return room_errors(_no_room(folder, "no space is left for the tensor cache"))


def require_room(folder: Path, needed_bytes: int) -> None:
    """Raise DiskFull if the disk has no room for the bytes."""
    free = shutil.disk_usage(folder).free
    if free < needed_bytes:
        fault = (
            f"the tensor cache needs {needed_bytes / 1e6:,.0f} MB, but only "
            f"{free / 1e6:,.0f} MB are free"
        )
        raise DiskFull(_no_room(folder, fault))


def install_finished(folder: Path) -> None:
    """Move finished files from their build folder; complete an interrupted move.

    The old header is removed first and the new one moved last, so a mix of both cannot be opened.
    """
    for building in folder.glob(f"{BUILDING}*"):
        if (building / HEADER).is_file():
            (folder / HEADER).unlink(missing_ok=True)
            for name in (IMAGES, INDEX, HEADER):
                if (building / name).is_file():
                    (building / name).replace(folder / name)
            sync(folder)
            shutil.rmtree(building)


def remove_unfinished(folder: Path) -> None:
    """Delete unfinished builds of other states of the dataset."""
    for building in folder.glob(f"{BUILDING}*"):
        shutil.rmtree(building)


def _no_room(folder: Path, fault: str) -> str:
    return (
        f"{folder}: {fault}. Free some space, or set EUGUESS_HOME to a folder on another disk, "
        "and run the command again: the build resumes where it stopped."
    )
