"""The containers' volumes: their owner and the free disk space."""

import os
from pathlib import Path

from euguess.errors import DiskFull

OWNER = 10001  # user and group id of all services
GIGABYTE = 2**30


def chown_volumes(volumes: Path, owner: int = OWNER) -> None:
    """Make the services own the top folder of each volume; Docker creates it for root."""
    for folder in sorted(volumes.iterdir()):
        if folder.stat().st_uid != owner:
            os.chown(folder, owner, owner)


def require_room(folder: Path, min_free_gb: float) -> None:
    """Raise DiskFull if the file system of a folder has less free space."""
    state = os.statvfs(folder)
    free_gb = state.f_bavail * state.f_frsize / GIGABYTE
    if free_gb < min_free_gb:
        raise DiskFull(
            f"Docker's disk has {free_gb:.1f} GB free, less than the {min_free_gb:g} GB of "
            "EUGUESS_MIN_FREE_GB. Free some space (`docker system df` shows what Docker uses) or "
            "lower that variable."
        )
