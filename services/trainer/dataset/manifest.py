"""The manifest of a dataset: one row per stored view, in a fixed order, with a digest."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
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
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.progress import Progress, no_progress


@dataclass(frozen=True)
class Manifest:
    """Rows are sorted by country, location, heading and key; the digest covers all of them."""

    dataset: str
    digest: str
    table: pa.Table

    @cached_property
    def views(self) -> ViewIndex:
        return ViewIndex.from_table(self.table)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(str(key) for key in self.table.column("key").to_pylist())

    def __len__(self) -> int:
        return int(self.table.num_rows)


async def build_manifest(
    store: ObjectStore, dataset: str, *, progress: Progress = no_progress
) -> Manifest:
    """Update the manifest from the store and return it.

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
    records = await _read_records(store, unread, progress)
    rows = [row for key in keys for row in previous.get(key, ())]
    table = table_of(rows + [row for record in records for row in rows_of(record)])
    manifest = Manifest(dataset, digest_of(table), table)
    await store.put(manifest_key(dataset), encode_manifest(table, manifest.digest))
    return manifest


async def load_manifest(store: ObjectStore, dataset: str) -> Manifest:
    """Read the last manifest. Raises ObjectNotFound, or ChecksumMismatch if it is damaged."""
    try:
        data = await store.get(manifest_key(dataset))
    except ObjectNotFound:
        raise ObjectNotFound(
            f"Dataset {dataset!r} has no manifest yet. `euguess train {dataset}` writes one."
        ) from None
    table, digest = decode_manifest(data, manifest_key(dataset))
    return Manifest(dataset, digest, table)


async def _previous_rows(store: ObjectStore, dataset: str) -> dict[str, list[Row]]:
    """Return the stored manifest's rows by key of their location record; empty if unusable."""
    rows: dict[str, list[Row]] = {}
    try:
        manifest = await load_manifest(store, dataset)
    except (ObjectNotFound, ChecksumMismatch):
        return rows
    for row in manifest.table.to_pylist():
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


async def _read_records(
    store: ObjectStore, keys: Sequence[str], progress: Progress
) -> list[LocationRecord]:
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
