"""The stack's volumes: who owns them, and whether there is room."""

import os
from pathlib import Path

from euguess.errors import DiskFull

OWNER = 10001  # uid and gid of all services
GIGABYTE = 2**30


def own_volumes(volumes: Path, owner: int = OWNER) -> None:
    """Give the top folder of each volume to the services; Docker makes new ones for root."""
    for folder in sorted(volumes.iterdir()):
        if folder.stat().st_uid != owner:
            os.chown(folder, owner, owner)


def require_room(folder: Path, min_free_gb: float) -> None:
    """Raise DiskFull when the file system of a folder has less free."""
    state = os.statvfs(folder)
    free_gb = state.f_bavail * state.f_frsize / GIGABYTE
    if free_gb < min_free_gb:
        raise DiskFull(
            f"Docker's disk has {free_gb:.1f} GB free, less than the {min_free_gb:g} GB of "
            "EUGUESS_MIN_FREE_GB; free some (`docker system df` shows what Docker holds), or lower "
            "that variable."
        )
