"""Audit a dataset in the object store: damaged, missing and unused records and images.

It reads the store alone, so it works without a sampler.
"""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from enum import StrEnum

from pydantic import Field, ValidationError

from euguess.collection.contents import Contents, concurrently, location_of, read_contents
from euguess.collection.datasets import read_spec
from euguess.collection.layout import budget_key, receipts_prefix, slot_key, stopped_key
from euguess.collection.providers import tariff
from euguess.collection.receipts import stored_spending
from euguess.errors import ChecksumMismatch, DamagedRecord, ObjectNotFound
from euguess.messages.collection import Budget, ViewRecord
from euguess.messages.records import Record
from euguess.storage import ObjectStore


class FindingKind(StrEnum):
    """What is wrong with an object."""

    DAMAGED_SPEC = "damaged_spec"
    DAMAGED_BUDGET = "damaged_budget"
    DAMAGED_SLOT = "damaged_slot"
    DAMAGED_LOCATION = "damaged_location"
    SLOT_WITHOUT_LOCATION = "slot_without_location"  # stored, but its record is not there
    LOCATION_WITHOUT_SLOT = "location_without_slot"  # complete, but its slot has not ended
    MISSING_IMAGE = "missing_image"
    CHANGED_IMAGE = "changed_image"  # its bytes do not match the recorded SHA-256


class Finding(Record):
    """One object that needs a repair."""

    kind: FindingKind
    key: str


class DatasetAudit(Record):
    """The result of an audit."""

    dataset: str
    slots: int = Field(default=0, description="Slot records")
    locations: int = Field(default=0, description="Location records")
    images: int = Field(default=0, description="Stored images")
    is_collecting: bool = Field(
        default=False, description="Fetchers may be at work, so that the counts may change"
    )
    findings: tuple[Finding, ...] = ()
    unrecorded_images: tuple[str, ...] = Field(
        default=(), description="Stored images that no location record names"
    )
    paid_images: int = Field(default=0, description="Images paid for, or possibly paid for")
    unused_images: int = Field(
        default=0, description="Images paid for, or possibly, that no location record names"
    )
    unused_receipts: tuple[str, ...] = Field(
        default=(), description="Receipts of locations without a record"
    )


async def audit(store: ObjectStore, name: str, *, checksums: bool = False) -> DatasetAudit:
    """Audit a dataset. With `checksums`, read all images too.

    Raises DatasetNotFound or StoreUnavailable.
    """
    try:
        spec = await read_spec(store, name)
    except DamagedRecord as error:
        finding = Finding(kind=FindingKind.DAMAGED_SPEC, key=error.key)
        return DatasetAudit(dataset=name, findings=(finding,))
    contents = await read_contents(store, spec)
    findings = [finding async for finding in _findings(store, contents, checksums=checksums)]
    return await _with_spending(store, contents, findings)


async def _findings(
    store: ObjectStore, contents: Contents, *, checksums: bool
) -> AsyncIterator[Finding]:
    key = budget_key(contents.spec.name)
    if not await _is_budget(store, key):
        yield Finding(kind=FindingKind.DAMAGED_BUDGET, key=key)
    for finding in _record_findings(contents):
        yield finding
    if checksums:
        recorded = {key: v for key, v in contents.views().items() if key in contents.images}
        async for key in _changed_images(store, recorded):
            yield Finding(kind=FindingKind.CHANGED_IMAGE, key=key)


def _record_findings(contents: Contents) -> Iterator[Finding]:
    damaged_slots = contents.damaged_slots if contents.is_collected else ()
    yield from _all(FindingKind.DAMAGED_SLOT, damaged_slots)
    yield from _all(FindingKind.DAMAGED_LOCATION, contents.damaged_locations)
    if contents.is_collected:
        yield from _all(FindingKind.SLOT_WITHOUT_LOCATION, _slots_without_location(contents))
        yield from _all(FindingKind.LOCATION_WITHOUT_SLOT, _locations_without_slot(contents))
    yield from _all(FindingKind.MISSING_IMAGE, contents.views().keys() - contents.images)


def _all(kind: FindingKind, keys: Iterable[str]) -> Iterator[Finding]:
    return (Finding(kind=kind, key=key) for key in sorted(keys))


def _slots_without_location(contents: Contents) -> Iterator[str]:
    for slot, outcome in contents.slots.items():
        key = location_of(outcome)
        if key is not None and key not in contents.locations:
            yield slot_key(contents.spec.name, slot)


def _locations_without_slot(contents: Contents) -> Iterator[str]:
    damaged = set(contents.damaged_slots)
    for key, record in contents.locations.items():
        slot = record.slot
        if slot is None or not contents.spec.has_slot(slot) or slot in contents.slots:
            continue
        if slot_key(contents.spec.name, slot) not in damaged:
            yield key


async def _is_budget(store: ObjectStore, key: str) -> bool:
    """Return False if there is a budget that cannot be read."""
    try:
        Budget.model_validate_json(await store.get(key))
    except ObjectNotFound:
        return True
    except ValidationError:
        return False
    return True


async def _changed_images(
    store: ObjectStore, views: Mapping[str, ViewRecord]
) -> AsyncIterator[str]:
    async def check(key: str) -> str | None:
        try:
            await store.get(key, sha256=views[key].sha256)
        except ChecksumMismatch:
            return key
        except ObjectNotFound:
            return None
        return None

    async for key in concurrently(check, sorted(views)):
        if key is not None:
            yield key


async def _with_spending(
    store: ObjectStore, contents: Contents, findings: Iterable[Finding]
) -> DatasetAudit:
    spec = contents.spec
    recorded = contents.views().keys()
    paid = used = 0
    receipts: list[str] = []
    if contents.is_collected:
        price = tariff(spec.provider).dollars_per_image
        paid = (await stored_spending(store, spec.name, price)).images
        used = len(recorded & contents.images)
        names = {record.location_id for record in contents.locations.values()}
        listed = [key async for key in store.list(receipts_prefix(spec.name))]
        receipts = [key for key in listed if key.split("/")[-2] not in names]
    ended = len(contents.slots) + len(contents.damaged_slots)
    is_open = contents.is_collected and ended < spec.requested
    return DatasetAudit(
        dataset=spec.name,
        slots=ended,
        locations=len(contents.locations) + len(contents.damaged_locations),
        images=len(contents.images),
        is_collecting=is_open and not await store.exists(stopped_key(spec.name)),
        findings=tuple(findings),
        unrecorded_images=tuple(sorted(contents.images - recorded)),
        paid_images=paid,
        unused_images=max(0, paid - used),
        unused_receipts=tuple(sorted(receipts)),
    )
