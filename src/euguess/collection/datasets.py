"""Read datasets from the object store: specifications, outcomes and statuses."""

import asyncio
import contextlib
from collections.abc import Iterable

from pydantic import ValidationError

from euguess.clock import utc_now
from euguess.collection.budget import Sum
from euguess.collection.layout import (
    DATASETS,
    locations_prefix,
    slot_key,
    slots_prefix,
    spec_key,
    stopped_key,
)
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName, tariff
from euguess.collection.receipts import stored_spending
from euguess.collection.status import OutcomeCounts, Spending, build_status
from euguess.errors import DamagedRecord, DatasetNotFound, ObjectNotFound
from euguess.messages.collection import (
    DatasetSpec,
    DatasetStatus,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)
from euguess.storage import ObjectStore

CONCURRENT_READS = 64


async def dataset_names(store: ObjectStore) -> list[str]:
    """Return the names of all datasets."""
    return [name for name in await store.folders(DATASETS) if await store.exists(spec_key(name))]


async def read_spec(store: ObjectStore, name: str) -> DatasetSpec:
    """Return the specification of a dataset. Raises DatasetNotFound or DamagedRecord."""
    try:
        spec = DatasetSpec.model_validate_json(await store.get(spec_key(name)))
    except ObjectNotFound:
        raise DatasetNotFound(
            f"There is no dataset {name!r}; `euguess dataset status` lists them."
        ) from None
    except ValidationError:
        raise DamagedRecord(spec_key(name)) from None
    if spec.name != name:
        raise DamagedRecord(spec_key(name))
    return spec


async def stored_slots(store: ObjectStore, name: str) -> list[SlotKey]:
    """Return the slots that have a final outcome in the store."""
    prefix = slots_prefix(name)
    slots = []
    async for key in store.list(prefix):
        with contextlib.suppress(ValueError):  # an object that is no slot's; an audit reports it
            slots.append(SlotKey.parse(key.removeprefix(prefix).removesuffix(".json")))
    return slots


async def read_outcomes(
    store: ObjectStore, name: str, slots: Iterable[SlotKey]
) -> list[SlotOutcome]:
    """Read the final outcomes of the given slots concurrently; return them in order.

    A damaged one counts as failed (see `is_damaged`), so that it costs only its own slot. One
    that is deleted in the meantime is left out.
    """
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def read(slot: SlotKey) -> SlotOutcome | None:
        async with gate:
            try:
                return parse_outcome(name, slot, await store.get(slot_key(name, slot)))
            except ObjectNotFound:
                return None

    found = await asyncio.gather(*(read(slot) for slot in slots))
    return [outcome for outcome in found if outcome is not None]


def parse_outcome(name: str, slot: SlotKey, body: bytes) -> SlotOutcome:
    """Parse the stored outcome of a slot. A damaged one becomes a failure with that reason."""
    try:
        outcome = SlotOutcome.model_validate_json(body)
        is_own = (outcome.dataset, outcome.slot) == (name, slot)
    except ValidationError:
        is_own = False
    return outcome if is_own and outcome.status.is_final else _damaged(name, slot)


def is_damaged(outcome: SlotOutcome) -> bool:
    """Return True if an outcome stands for a damaged record."""
    return outcome.reason == _damage(outcome.dataset, outcome.slot)


def _damage(name: str, slot: SlotKey) -> str:
    return f"the record {slot_key(name, slot)} is damaged"


def _damaged(name: str, slot: SlotKey) -> SlotOutcome:
    return SlotOutcome(
        dataset=name,
        slot=slot,
        fence=0,
        status=SlotStatus.FAILED,
        reason=_damage(name, slot),
        finished_at=utc_now(),
    )


async def known_outcomes(
    store: ObjectStore, ledger: Ledger, spec: DatasetSpec
) -> list[SlotOutcome]:
    """Return all final outcomes; afterwards the live view holds exactly these.

    The store is the source of truth: an outcome that only the live view has belongs to a deleted
    dataset of the same name. Fetchers write to the store first, so the live view is read first.
    """
    live = await ledger.outcomes(spec.name)
    stored = await stored_slots(store, spec.name)
    if live.keys() - set(stored):
        await ledger.forget_view(spec.name)
        live = {}
    restored = await read_outcomes(store, spec.name, [s for s in stored if s not in live])
    intact = [outcome for outcome in restored if not is_damaged(outcome)]
    if intact:
        await ledger.restore(intact)
    return [*live.values(), *restored]


async def stored_status(store: ObjectStore, name: str) -> DatasetStatus:
    """Return the status of a dataset by the store alone. Raises DatasetNotFound."""
    spec = await read_spec(store, name)
    outcomes = await read_outcomes(store, name, await stored_slots(store, name))
    return await _stored_status(store, spec, outcomes)


async def rebuild(store: ObjectStore, ledger: Ledger, name: str) -> DatasetStatus:
    """Restore a dataset's outcomes and account in Redis from the store; fetchers continue."""
    spec = await read_spec(store, name)
    outcomes = await read_outcomes(store, name, await stored_slots(store, name))
    await ledger.forget_view(name)
    await ledger.restore([outcome for outcome in outcomes if not is_damaged(outcome)])
    return await _stored_status(store, spec, outcomes)


def summarise(
    spec: DatasetSpec,
    outcomes: Iterable[SlotOutcome],
    *,
    is_stopped: bool = False,
    spent: Sum | None = None,
) -> DatasetStatus:
    """Build the status from final outcomes; every slot without one is pending."""
    counts = OutcomeCounts(spec)
    for outcome in {o.slot: o for o in outcomes if spec.has_slot(o.slot)}.values():
        counts.add_spending(outcome)
        counts.add_end(outcome)
    spending = Spending(spent=spent or Sum())
    return build_status(counts, is_stopped=is_stopped, spending=spending)


async def _stored_status(
    store: ObjectStore, spec: DatasetSpec, outcomes: Iterable[SlotOutcome]
) -> DatasetStatus:
    if spec.provider == ProviderName.FOLDER:
        return await _imported_status(store, spec)
    spent = await stored_spending(store, spec.name, tariff(spec.provider).dollars_per_image)
    is_stopped = await store.exists(stopped_key(spec.name))
    return summarise(spec, outcomes, is_stopped=is_stopped, spent=spent)


async def _imported_status(store: ObjectStore, spec: DatasetSpec) -> DatasetStatus:
    prefix = locations_prefix(spec.name)
    counts = OutcomeCounts(spec)
    async for key in store.list(prefix):
        country_code = key.removeprefix(prefix).partition("/")[0]
        if country_code in counts.ended:
            counts.ended[country_code][SlotStatus.STORED] += 1
    return build_status(counts)
