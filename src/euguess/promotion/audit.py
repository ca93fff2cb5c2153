"""The audit log of promotions: who decided what about which version, when, and why.

Entries are numbered objects in the store. Each is created once and never overwritten, so that of
two concurrent decisions the second one fails to append and sees the first.
"""

import asyncio
import getpass
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

from pydantic import Field, ValidationError

from euguess.collection.layout import AUDIT_LOG, audit_key
from euguess.errors import StoreError
from euguess.messages.records import Record
from euguess.promotion.verdict import Contest
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store


class Decision(StrEnum):
    """The outcome of a promotion request, or a rollback."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"


class AuditEntry(Record):
    """One decision. A promotion takes effect after its entry is written."""

    number: int = Field(ge=1)
    at: datetime
    by: str = Field(description="user@machine")
    act: Decision
    version: str = Field(description="The version promoted, refused or rolled back to")
    run_id: str
    champion_before: str | None = Field(description="Version; None before the first promotion")
    is_forced: bool = False
    verdict: str = Field(description="The gate's reason")
    reason: str | None = Field(default=None, description="The reason that the user gave")
    contest: Contest | None = None
    schema_version: Literal[1] = 1


class AuditLog(Protocol):
    """A log that decisions are appended to."""

    def entries(self) -> list[AuditEntry]:
        """Return all entries, oldest first. Raises StoreError if one is missing or damaged."""

    def append(self, entry: AuditEntry) -> bool:
        """Write an entry. Returns False if another entry took its number first."""


@dataclass(frozen=True)
class StoredAuditLog:
    """The audit log in the configured store, for callers outside an event loop."""

    settings: StoreSettings

    def entries(self) -> list[AuditEntry]:
        """Return all entries, oldest first. Raises StoreError if one is missing or damaged."""

        async def read() -> list[AuditEntry]:
            return await read_log(await open_store(self.settings))

        return asyncio.run(read())

    def append(self, entry: AuditEntry) -> bool:
        """Write an entry. Returns False if another entry took its number first."""

        async def write() -> bool:
            return await append(await open_store(self.settings), entry)

        return asyncio.run(write())


async def read_log(store: ObjectStore) -> list[AuditEntry]:
    """Return all entries, oldest first. Raises StoreError if one is missing or damaged."""
    keys = sorted([key async for key in store.list(AUDIT_LOG)])
    missing = {audit_key(number) for number in range(1, len(keys) + 1)} - set(keys)
    if missing:
        raise StoreError(f"The audit log is missing {min(missing)}. Restore it from a backup.")
    return [_entry(await store.get(key), key) for key in keys]


async def append(store: ObjectStore, entry: AuditEntry) -> bool:
    """Write an entry. Returns False if another entry took its number first."""
    key, data = audit_key(entry.number), entry_bytes(entry)
    return await store.create(key, data) or await store.get(key) == data


def entry_bytes(entry: AuditEntry) -> bytes:
    """Return an entry as it is stored."""
    return entry.model_dump_json(indent=2).encode()


def champion_history(entries: Sequence[AuditEntry]) -> list[str]:
    """Return the champions, oldest first, without those that were rolled back.

    A champion that was set outside the gate appears with the next entry.
    """
    history: list[str] = []
    for entry in entries:
        if entry.act is Decision.REFUSED:
            continue
        _ensure_last(history, entry.champion_before)
        if entry.act is Decision.ROLLED_BACK and entry.version in history:
            del history[len(history) - history[::-1].index(entry.version) :]
        _ensure_last(history, entry.version)
    return history


def champion_before(entries: Sequence[AuditEntry], champion: str) -> str | None:
    """Return the version that the champion replaced; None if the log has none."""
    history = champion_history(entries)
    if champion not in history:
        return None
    position = len(history) - 1 - history[::-1].index(champion)
    return history[position - 1] if position else None


def recorded_contest(
    entries: Sequence[AuditEntry], challenger: str, champion: str
) -> Contest | None:
    """Return the newest contest between two versions; None if there is none.

    Contests on places of any country, as older records have them, do not count.
    """
    contests = [
        entry.contest
        for entry in entries
        if entry.version == challenger and entry.champion_before == champion
        if entry.contest and entry.contest.countries
    ]
    return contests[-1] if contests else None


def current_user() -> str:
    """Return the user of this process, as user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _ensure_last(history: list[str], version: str | None) -> None:
    if version is not None and history[-1:] != [version]:
        history.append(version)


def _entry(data: bytes, key: str) -> AuditEntry:
    try:
        return AuditEntry.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(
            f"{key} is damaged ({error.error_count()} errors). Restore it from a backup."
        ) from None
