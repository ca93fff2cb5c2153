"""Read all records of a dataset from the object store, damaged ones included."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from pydantic import ValidationError

from euguess.collection.datasets import CONCURRENT_READS, is_damaged, parse_outcome
from euguess.collection.layout import (
    images_prefix,
    location_key,
    locations_prefix,
    slot_key,
    slots_prefix,
)
from euguess.collection.providers import ProviderName
from euguess.errors import ObjectNotFound
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotKey,
    SlotOutcome,
    SlotStatus,
    ViewRecord,
)
from euguess.storage import ObjectStore

T = TypeVar("T")


@dataclass
class Contents:
    """The records of a dataset, and the keys of those that are damaged."""

    spec: DatasetSpec
    slots: dict[SlotKey, SlotOutcome] = field(default_factory=dict)
    damaged_slots: list[str] = field(default_factory=list)
    locations: dict[str, LocationRecord] = field(default_factory=dict)  # by key
    damaged_locations: list[str] = field(default_factory=list)
    images: set[str] = field(default_factory=set)

    @property
    def is_collected(self) -> bool:
        return self.spec.provider != ProviderName.FOLDER

    def by_slot(self) -> dict[SlotKey, list[LocationRecord]]:
        """Return the location records of each slot."""
        found: defaultdict[SlotKey, list[LocationRecord]] = defaultdict(list)
        for record in self.locations.values():
            if record.slot is not None:
                found[record.slot].append(record)
        return found

    def views(self) -> dict[str, ViewRecord]:
        """Return the recorded images by key."""
        return {view.key: view for record in self.locations.values() for view in record.views}


async def read_contents(store: ObjectStore, spec: DatasetSpec) -> Contents:
    """Read all records of a dataset, and list its images."""
    contents = Contents(spec)
    async for key, body in _read(store, store.list(slots_prefix(spec.name))):
        outcome = _slot_outcome(spec, key, body)
        if outcome is None:
            contents.damaged_slots.append(key)
        else:
            contents.slots[outcome.slot] = outcome
    async for key, body in _read(store, store.list(locations_prefix(spec.name))):
        record = _location(spec.name, key, body)
        if record is None:
            contents.damaged_locations.append(key)
        else:
            contents.locations[key] = record
    contents.images = {key async for key in store.list(images_prefix(spec.name))}
    return contents


def location_of(outcome: SlotOutcome) -> str | None:
    """Return the key of the location record that a stored slot names."""
    if outcome.status is not SlotStatus.STORED:
        return None
    return location_key(outcome.dataset, outcome.slot.country_code, outcome.location_id or "none")


def _slot_outcome(spec: DatasetSpec, key: str, body: bytes) -> SlotOutcome | None:
    try:
        slot = SlotKey.parse(key.removeprefix(slots_prefix(spec.name)).removesuffix(".json"))
    except ValueError:
        return None
    outcome = parse_outcome(spec.name, slot, body)
    is_own = key == slot_key(spec.name, slot) and spec.has_slot(slot)
    return outcome if is_own and not is_damaged(outcome) else None


def _location(name: str, key: str, body: bytes) -> LocationRecord | None:
    try:
        record = LocationRecord.model_validate_json(body)
    except ValidationError:
        return None
    return record if key == location_key(name, record.country_code, record.location_id) else None


async def _read(store: ObjectStore, keys: AsyncIterator[str]) -> AsyncIterator[tuple[str, bytes]]:
    """Yield the objects in order, without those that are deleted in the meantime."""

    async def get(key: str) -> tuple[str, bytes] | None:
        try:
            return key, await store.get(key)
        except ObjectNotFound:
            return None

    async for found in concurrently(get, [key async for key in keys]):
        if found is not None:
            yield found


async def concurrently(call: Callable[[str], Awaitable[T]], keys: list[str]) -> AsyncIterator[T]:
    """Yield the results in order, reading one group after the other."""
    for at in range(0, len(keys), CONCURRENT_READS):
        for result in await asyncio.gather(*map(call, keys[at : at + CONCURRENT_READS])):
            yield result
