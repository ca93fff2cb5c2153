"""Write and read the manifest of a dataset: all stored views in a fixed order, with a digest."""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count

import pyarrow as pa
from pydantic import ValidationError

from euguess.collection.datasets import (
    CONCURRENT_READS,
    read_outcomes,
    read_spec,
    stored_slots,
)
from euguess.collection.layout import location_key, locations_prefix, manifest_key
from euguess.collection.manifest_format import (
    Row,
    decode_manifest,
    digest_of,
    encode_manifest,
    rows_of,
    table_of,
)
from euguess.collection.providers import ProviderName
from euguess.errors import ChecksumMismatch, InvalidInput, ObjectNotFound, StoreError
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotKey,
    SlotStatus,
)
from euguess.storage import ObjectStore

Progress = Callable[[int, int], None]  # called with the records read, and their number


def no_progress(done: int, of: int) -> None:
    """Report to nobody."""


async def update_manifest(
    store: ObjectStore, dataset: str, *, progress: Progress = no_progress
) -> tuple[pa.Table, str]:
    """Write the manifest of what is stored now; return its table and digest.

    It lists the views of every location record; in a collected dataset, only of records that the
    stored outcome of their slot names. Records never change, so rows of the previous manifest
    are reused. Raises DatasetNotFound, StoreError, and InvalidInput if nothing is stored.
    """
    spec = await read_spec(store, dataset)
    previous = await _previous_rows(store, dataset)
    keys = await _committed_keys(store, spec, previous)
    if not keys:
        raise InvalidInput(
            f"Dataset {dataset!r} has no stored locations yet. Check the collection: "
            f"`euguess dataset status {dataset}`."
        )
    unread = [key for key in keys if key not in previous]
    records = await read_records(store, unread, progress)
    rows = [row for key in keys for row in previous.get(key, ())]
    table = table_of(rows + [row for record in records for row in rows_of(record)])
    digest = digest_of(table)
    await store.put(manifest_key(dataset), encode_manifest(table, digest))
    return table, digest


async def read_manifest(store: ObjectStore, dataset: str) -> tuple[pa.Table, str]:
    """Read the last manifest. Raises ObjectNotFound, or ChecksumMismatch if it is damaged."""
    try:
        data = await store.get(manifest_key(dataset))
    except ObjectNotFound:
        raise ObjectNotFound(
            f"Dataset {dataset!r} has no manifest yet. `euguess dataset export {dataset}` "
            "writes one."
        ) from None
    return decode_manifest(data, manifest_key(dataset))


async def _previous_rows(store: ObjectStore, dataset: str) -> dict[str, list[Row]]:
    """Return the stored manifest's rows by key of their location record; empty if unusable."""
    rows: dict[str, list[Row]] = {}
    try:
        table, _ = await read_manifest(store, dataset)
    except (ObjectNotFound, ChecksumMismatch):
        return rows
    for row in table.to_pylist():
        key = location_key(dataset, row["country_code"], row["location_id"])
        rows.setdefault(key, []).append(row)
    return rows


async def _committed_keys(
    store: ObjectStore, spec: DatasetSpec, previous: dict[str, list[Row]]
) -> list[str]:
    """Return the sorted keys of the location records that belong in the manifest."""
    present = sorted([key async for key in store.list(locations_prefix(spec.name))])
    if spec.provider == ProviderName.FOLDER:
        return present
    named = await _named_by_outcomes(store, spec.name, previous)
    return [key for key in present if key in named]


async def _named_by_outcomes(
    store: ObjectStore, dataset: str, previous: dict[str, list[Row]]
) -> set[str]:
    """Return the keys of location records that a stored outcome names; outcomes never change."""
    slots = set(await stored_slots(store, dataset))
    named = set()
    for key, rows in previous.items():
        slot = SlotKey(country_code=rows[0]["country_code"], index=rows[0]["slot_index"])
        if slot in slots:
            slots.remove(slot)
            named.add(key)
    for outcome in await read_outcomes(store, dataset, sorted(slots, key=str)):
        if outcome.status is SlotStatus.STORED and outcome.location_id is not None:
            named.add(location_key(dataset, outcome.slot.country_code, outcome.location_id))
    return named


async def read_records(
    store: ObjectStore, keys: Sequence[str], progress: Progress = no_progress
) -> list[LocationRecord]:
    """Read location records concurrently. Raises StoreError, also for a damaged one."""
    gate = asyncio.Semaphore(CONCURRENT_READS)
    done = count(1)

    async def read(key: str) -> LocationRecord:
        async with gate:
            data = await store.get(key)
        progress(next(done), len(keys))
        try:
            return LocationRecord.model_validate_json(data)
        except ValidationError as error:
            raise StoreError(f"{key} is damaged: {error.error_count()} errors") from None

    return await asyncio.gather(*(read(key) for key in keys))
