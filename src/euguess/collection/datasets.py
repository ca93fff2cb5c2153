"""What the object store knows of a dataset: its specification, outcomes and counts."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from euguess.collection.layout import (
    DATASETS,
    locations_prefix,
    slot_key,
    slots_prefix,
    spec_key,
    stopped_key,
)
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName
from euguess.errors import DatasetNotFound, ObjectNotFound, StoreError
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    SlotKey,
    SlotOutcome,
    SlotStatus,
    StatusCounts,
)
from euguess.storage import ObjectStore

CONCURRENT_READS = 64


async def dataset_names(store: ObjectStore) -> list[str]:
    """Names of all datasets."""
    return [name for name in await store.folders(DATASETS) if await store.exists(spec_key(name))]


async def read_spec(store: ObjectStore, name: str) -> DatasetSpec:
    """Raises DatasetNotFound."""
    try:
        return DatasetSpec.model_validate_json(await store.get(spec_key(name)))
    except ObjectNotFound:
        raise DatasetNotFound(
            f"There is no dataset {name!r}; `euguess dataset status` lists them."
        ) from None
    except ValidationError as error:
        raise StoreError(f"{spec_key(name)} is damaged: {error.error_count()} errors") from None


async def stored_slots(store: ObjectStore, name: str) -> list[SlotKey]:
    """Slots that have a final outcome in the store."""
    prefix = slots_prefix(name)
    return [
        SlotKey.parse(key.removeprefix(prefix).removesuffix(".json"))
        async for key in store.list(prefix)
    ]


async def read_outcomes(
    store: ObjectStore, name: str, slots: Iterable[SlotKey]
) -> list[SlotOutcome]:
    """Final outcomes of the given slots, read concurrently, in order."""
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def read(slot: SlotKey) -> SlotOutcome:
        async with gate:
            return SlotOutcome.model_validate_json(await store.get(slot_key(name, slot)))

    return await asyncio.gather(*(read(slot) for slot in slots))


async def stored_status(store: ObjectStore, name: str) -> DatasetStatus:
    """Status of a dataset by the store alone. Raises DatasetNotFound."""
    spec = await read_spec(store, name)
    if spec.provider == ProviderName.FOLDER:
        return await _imported_status(store, spec)
    outcomes = await read_outcomes(store, name, await stored_slots(store, name))
    stopped = await store.exists(stopped_key(name))
    return summarise(spec, outcomes, stopped=stopped)


def summarise(
    spec: DatasetSpec, outcomes: Iterable[SlotOutcome], *, stopped: bool = False
) -> DatasetStatus:
    """Count final outcomes; every slot without one is pending."""
    final = {outcome.slot: outcome for outcome in outcomes}
    by_country: dict[str, Counter[SlotStatus]] = {code: Counter() for code in spec.quotas}
    for outcome in final.values():
        by_country[outcome.slot.country_code][outcome.status] += 1
    countries = {code: _counts(spec.quotas[code], by_country[code]) for code in spec.quotas}
    failures = Counter(o.reason or "" for o in final.values() if o.status is SlotStatus.FAILED)
    return DatasetStatus(
        spec=spec,
        state=_state(countries, stopped=stopped),
        total=total_counts(countries),
        countries=countries,
        failures=dict(failures),
        rejections=dict(sum((Counter(o.rejections) for o in final.values()), Counter())),
        images=sum(o.images for o in final.values()),
        bytes=sum(o.bytes for o in final.values()),
        cost=sum(o.cost for o in final.values()),
    )


def total_counts(countries: Mapping[str, StatusCounts]) -> StatusCounts:
    """Sum over countries."""
    fields = ("requested", "stored", "no_coverage", "failed", "pending")
    sums = {field: sum(getattr(c, field) for c in countries.values()) for field in fields}
    return StatusCounts(**sums)


async def rebuild(store: ObjectStore, ledger: Ledger, name: str) -> DatasetStatus:
    """Drop a dataset's live view in Redis and restore it from the store."""
    spec = await read_spec(store, name)
    outcomes = await read_outcomes(store, name, await stored_slots(store, name))
    await ledger.forget(name)
    await ledger.restore(outcomes)
    if spec.provider == ProviderName.FOLDER:
        return await _imported_status(store, spec)
    return summarise(spec, outcomes, stopped=await store.exists(stopped_key(name)))


async def _imported_status(store: ObjectStore, spec: DatasetSpec) -> DatasetStatus:
    prefix = locations_prefix(spec.name)
    stored = Counter(
        [key.removeprefix(prefix).partition("/")[0] async for key in store.list(prefix)]
    )
    countries = {
        code: _counts(quota, Counter({SlotStatus.STORED: stored[code]}))
        for code, quota in spec.quotas.items()
    }
    total = total_counts(countries)
    state = DatasetState.COLLECTING if total.pending else DatasetState.IMPORTED
    return DatasetStatus(spec=spec, state=state, total=total, countries=countries)


def _counts(quota: int, found: Counter[SlotStatus]) -> StatusCounts:
    stored, no_coverage = found[SlotStatus.STORED], found[SlotStatus.NO_COVERAGE]
    failed = found[SlotStatus.FAILED]
    return StatusCounts(
        requested=quota,
        stored=stored,
        no_coverage=no_coverage,
        failed=failed,
        pending=quota - stored - no_coverage - failed,
    )


def _state(countries: Mapping[str, StatusCounts], *, stopped: bool) -> DatasetState:
    if not any(counts.pending for counts in countries.values()):
        return DatasetState.COMPLETE
    return DatasetState.STOPPED if stopped else DatasetState.COLLECTING
