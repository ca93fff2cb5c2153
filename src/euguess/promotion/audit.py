"""The audit log of promotions: who made which version champion, when, and on what grounds.

Entries are numbered objects of the store, each created once and never written again, so that of
two decisions at the same time one comes second and sees the other.
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


class Act(StrEnum):
    """What was decided."""

    PROMOTED = "promoted"
    REFUSED = "refused"
    ROLLED_BACK = "rolled back"


class Entry(Record):
    """One decision. A promotion takes effect after its entry is written."""

    number: int = Field(ge=1)
    at: datetime
    by: str = Field(description="user@machine")
    act: Act
    version: str = Field(description="The one promoted, refused or gone back to")
    run_id: str
    champion_before: str | None = Field(description="Version; None before the first promotion")
    is_forced: bool = False
    verdict: str = Field(description="Why the rules allow it, or not")
    reason: str | None = Field(default=None, description="Why the person wanted it")
    contest: Contest | None = None
    schema_version: Literal[1] = 1


class Log(Protocol):
    """Where decisions are written down."""

    def entries(self) -> list[Entry]:
        """All entries, oldest first. Raises StoreError when one is missing or damaged."""

    def append(self, entry: Entry) -> bool:
        """Write an entry; False when another one has taken its number meanwhile."""


@dataclass(frozen=True)
class AuditLog:
    """The log in the store of the settings, for callers outside of an event loop."""

    settings: StoreSettings

    def entries(self) -> list[Entry]:
        """All entries, oldest first. Raises StoreError when one is missing or damaged."""

        async def read() -> list[Entry]:
            return await read_log(await open_store(self.settings))

        return asyncio.run(read())

    def append(self, entry: Entry) -> bool:
        """Write an entry; False when another one has taken its number meanwhile."""

        async def write() -> bool:
            return await append(await open_store(self.settings), entry)

        return asyncio.run(write())


async def read_log(store: ObjectStore) -> list[Entry]:
    """All entries, oldest first. Raises StoreError when one is missing or damaged."""
    keys = sorted([key async for key in store.list(AUDIT_LOG)])
    missing = {audit_key(number) for number in range(1, len(keys) + 1)} - set(keys)
    if missing:
        raise StoreError(f"The audit log lacks {min(missing)}; restore it from a backup.")
    return [_entry(await store.get(key), key) for key in keys]


async def append(store: ObjectStore, entry: Entry) -> bool:
    """Write an entry; False when another one has taken its number meanwhile."""
    key, data = audit_key(entry.number), entry.model_dump_json(indent=2).encode()
    return await store.create(key, data) or await store.get(key) == data


def succession(entries: Sequence[Entry]) -> list[str]:
    """Versions from the first champion to the present one, without those gone back from.

    A champion that was named by other means appears with the next entry.
    """
    line: list[str] = []
    for entry in entries:
        if entry.act is Act.REFUSED:
            continue
        _ensure_last(line, entry.champion_before)
        if entry.act is Act.ROLLED_BACK and entry.version in line:
            del line[len(line) - line[::-1].index(entry.version) :]
        _ensure_last(line, entry.version)
    return line


def champion_before(entries: Sequence[Entry], champion: str) -> str | None:
    """The version that the present champion replaced; None when none is known."""
    line = succession(entries)
    if champion not in line:
        return None
    position = len(line) - 1 - line[::-1].index(champion)
    return line[position - 1] if position else None


def recorded_contest(entries: Sequence[Entry], challenger: str, champion: str) -> Contest | None:
    """The newest one between two versions; None when they never met."""
    met = [
        entry.contest
        for entry in entries
        if entry.version == challenger and entry.champion_before == champion and entry.contest
    ]
    return met[-1] if met else None


def person() -> str:
    """Who runs this process, as user@machine."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in some containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def _ensure_last(line: list[str], version: str | None) -> None:
    if version is not None and line[-1:] != [version]:
        line.append(version)


def _entry(data: bytes, key: str) -> Entry:
    try:
        return Entry.model_validate_json(data)
    except ValidationError as error:
        raise StoreError(f"{key} is damaged: {error.error_count()} errors") from None
