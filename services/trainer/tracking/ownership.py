"""Ownership of runs: one process at a time trains a run.

On one machine, the lock of the run's checkpoint decides. A home may also be copied to another
machine, or shared with it, so each run names its owner in a tag. While the owner's heartbeat is
recent, no other machine resumes the run; afterwards one may, and the tag then stops the old owner.
"""

import hashlib
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow.entities import Run

from euguess.training.runs import ALIVE_TAG, LOST_AFTER, RUNNING
from services.trainer.errors import RunBusy, RunTaken

OWNER_TAG = "euguess.owner"


@dataclass(frozen=True)
class Owner:
    """A process that holds the lock of a run's checkpoint."""

    machine: str
    lock: str  # digest of the lock's path
    token: str

    @property
    def tag(self) -> str:
        return f"{self.machine}/{self.lock}/{self.token}"

    def replaces(self, tag: str) -> bool:
        """Return True if the tag's owner held the same lock, and so has ended."""
        return tag.startswith(f"{self.machine}/{self.lock}/")


def new_owner(lock: Path) -> Owner:
    """Return this process as an owner; it holds the lock."""
    digest = hashlib.sha256(str(lock.resolve()).encode()).hexdigest()
    return Owner(socket.gethostname(), digest[:12], secrets.token_hex(8))


def require_free(run: Run, owner: Owner, now: datetime) -> None:
    """Raise RunBusy if a process with another lock owns the run and its heartbeat is recent."""
    tag, beat = run.data.tags.get(OWNER_TAG), run.data.tags.get(ALIVE_TAG)
    if tag is None or beat is None or run.info.status != RUNNING or owner.replaces(tag):
        return
    age = now - datetime.fromisoformat(beat)
    if age <= LOST_AFTER:
        machine = tag.partition("/")[0]
        raise RunBusy(
            f"Run {run.info.run_id} is being trained by a process on {machine}, whose last "
            f"heartbeat was {max(0, round(age.total_seconds()))} s ago. Wait for it or stop it; if "
            f"it is lost, resume {LOST_AFTER.total_seconds():.0f} s after its last heartbeat."
        )


def require_owner(run: Run, owner: Owner) -> None:
    """Raise RunTaken if another process has become the run's owner."""
    tag = run.data.tags.get(OWNER_TAG, "")
    if tag != owner.tag:
        machine = tag.partition("/")[0]
        raise RunTaken(
            f"A process on {machine} took over run {run.info.run_id} while this one did not "
            "respond. This process stops; the other one finishes the run."
        )
