"""Repair what an audit found: rebuild slot records, and move damaged objects aside.

Nothing is deleted. A slot whose record was moved aside is collected again; images of it that are
stored are used again.
"""

from collections.abc import AsyncIterator, Sequence
from itertools import count

from euguess.collection.audit import Finding, FindingKind
from euguess.collection.contents import Contents, location_of, read_contents
from euguess.collection.datasets import read_spec
from euguess.collection.layout import damaged_prefix, dataset_prefix, slot_key
from euguess.collection.providers import tariff
from euguess.errors import DamagedRecord, ObjectNotFound
from euguess.messages.collection import LocationRecord, SlotKey, SlotOutcome, SlotStatus
from euguess.storage import ObjectStore

BY_A_PERSON = (FindingKind.DAMAGED_SPEC, FindingKind.DAMAGED_BUDGET)


async def repair(store: ObjectStore, name: str, findings: Sequence[Finding]) -> list[str]:
    """Repair the findings of an audit; return what was done, one sentence each.

    A damaged specification or budget is left to a person. Raises StoreUnavailable.
    """
    try:
        spec = await read_spec(store, name)
    except DamagedRecord:
        return []
    repairs = Repairs(store, await read_contents(store, spec))
    return [done for finding in findings async for done in repairs.of(finding)]


class Repairs:
    """Repairs findings of one dataset, each object once."""

    def __init__(self, store: ObjectStore, contents: Contents) -> None:
        self._store = store
        self._contents = contents
        self._name = contents.spec.name
        self._moved: set[str] = set()

    async def of(self, finding: Finding) -> AsyncIterator[str]:
        """Repair one finding; yield what was done."""
        if finding.kind in BY_A_PERSON:
            return
        if finding.kind is FindingKind.LOCATION_WITHOUT_SLOT:
            steps = self._rebuild(self._contents.locations[finding.key])
        elif finding.kind is FindingKind.DAMAGED_SLOT:
            steps = self._replace_slot(finding.key)
        elif finding.kind in (FindingKind.MISSING_IMAGE, FindingKind.CHANGED_IMAGE):
            steps = self._withdraw_location_of(finding.key)
        else:
            steps = self._move(finding.key)
        async for done in steps:
            yield done

    async def _replace_slot(self, key: str) -> AsyncIterator[str]:
        """Move a damaged slot record aside; rebuild it if its location is stored."""
        async for done in self._move(key):
            yield done
        for slot, records in self._contents.by_slot().items():
            if slot_key(self._name, slot) == key and self._contents.spec.has_slot(slot):
                async for done in self._rebuild(records[0]):
                    yield done

    async def _rebuild(self, record: LocationRecord) -> AsyncIterator[str]:
        """Write the outcome of the slot that a location was stored for, unless it has one."""
        if record.slot is None:
            return
        key = slot_key(self._name, record.slot)
        outcome = self._outcome(record, record.slot)
        if await self._store.create(key, outcome.model_dump_json().encode()):
            yield f"rebuilt {key} from the location {record.location_id}"

    def _outcome(self, record: LocationRecord, slot: SlotKey) -> SlotOutcome:
        images = len(record.views)
        return SlotOutcome(
            dataset=self._name,
            slot=slot,
            fence=0,
            status=SlotStatus.STORED,
            location_id=record.location_id,
            images=images,
            bytes=sum(view.bytes for view in record.views),
            cost=images * tariff(record.provider).dollars_per_image,
            finished_at=record.fetched_at,
        )

    async def _withdraw_location_of(self, image: str) -> AsyncIterator[str]:
        """Move a location aside that lacks an image, with that image and its slot's record."""
        keys = [
            key
            for key, record in self._contents.locations.items()
            if image in (view.key for view in record.views)
        ]
        slots = [
            slot_key(self._name, slot)
            for slot, outcome in self._contents.slots.items()
            if location_of(outcome) in keys
        ]
        for key in (*slots, *keys, image):  # the slot first: it must never name a missing location
            async for done in self._move(key):
                yield done

    async def _move(self, key: str) -> AsyncIterator[str]:
        """Move an object aside, unless it has been moved or is not there."""
        if key in self._moved:
            return
        self._moved.add(key)
        try:
            body = await self._store.get(key)
        except ObjectNotFound:
            return
        target = damaged_prefix(self._name) + key.removeprefix(dataset_prefix(self._name))
        for number in count():
            numbered = f"{target}.{number}" if number else target
            if await self._store.create(numbered, body):
                await self._store.delete(key)
                yield f"moved {key} to {numbered}"
                return
