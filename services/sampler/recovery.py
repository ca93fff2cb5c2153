"""Taking up the datasets of the store after a start, or after Redis lost its data."""

from collections.abc import Iterable

from euguess.datasets import (
    dataset_names,
    read_outcomes,
    read_spec,
    stored_slots,
)
from euguess.layout import stopped_key
from euguess.ledger import Ledger
from euguess.providers import ProviderName
from euguess.schemas import DatasetSpec, SlotOutcome
from euguess.storage import ObjectStore
from services.sampler.collection import Collection, Conductor


async def recover(store: ObjectStore, ledger: Ledger, conductor: Conductor) -> None:
    """Take up all collected datasets where they stand; imported ones need no collection."""
    conductor.start_after(await ledger.last_event())
    for name in await dataset_names(store):
        spec = await read_spec(store, name)
        if spec.provider != ProviderName.FOLDER:
            collection = conductor.prepare(spec)
            await take_up(store, ledger, collection)
            conductor.collections[name] = collection


async def take_up(store: ObjectStore, ledger: Ledger, collection: Collection) -> None:
    """Fill a new board with final outcomes and with the slots that fetchers work on."""
    spec = collection.board.spec
    for outcome in await known_outcomes(store, ledger, spec):
        collection.board.finish(outcome)
    now_ms = await ledger.now_ms()
    for slot, lease in (await ledger.leases(spec.name)).items():
        if lease.expires_ms > now_ms:
            collection.board.adopt(slot, lease.attempt)
    collection.is_stopped = await store.exists(stopped_key(spec.name))


async def known_outcomes(
    store: ObjectStore, ledger: Ledger, spec: DatasetSpec
) -> Iterable[SlotOutcome]:
    """All final outcomes; what only the store knows is put back into the live view."""
    live = await ledger.outcomes(spec.name)
    missing = [slot for slot in await stored_slots(store, spec.name) if slot not in live]
    restored = await read_outcomes(store, spec.name, missing)
    if restored:
        await ledger.restore(restored)
    return [*live.values(), *restored]
