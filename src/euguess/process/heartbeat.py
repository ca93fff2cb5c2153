"""Heartbeat file of a worker, read by the health check of its container."""

import time
from pathlib import Path

SILENT_SECONDS = 60.0  # workers beat every 2 s; a busy machine delays that


class Heartbeat:
    """A file whose modification time is the time of the last beat."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def beat(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.touch()

    @property
    def age_seconds(self) -> float:
        """Seconds since the last beat; infinite if there was none."""
        try:
            return max(0.0, time.time() - self._path.stat().st_mtime)
        except FileNotFoundError:
            return float("inf")

    @property
    def is_silent(self) -> bool:
        return self.age_seconds > SILENT_SECONDS
