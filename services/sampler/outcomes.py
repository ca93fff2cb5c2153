"""Final outcomes of a dataset, from the store and the live view."""

from euguess.collection.datasets import read_outcomes, stored_slots
from euguess.collection.ledger import Ledger
from euguess.messages.collection import DatasetSpec, SlotOutcome
from euguess.storage import ObjectStore


async def known_outcomes(
    store: ObjectStore, ledger: Ledger, spec: DatasetSpec
) -> list[SlotOutcome]:
    """All final outcomes; the live view has them all, and no other, afterwards.

    The store is the truth: an outcome that only the live view has belongs to a dataset of this
    name that was deleted. Fetchers write to the store first, so the live view is read first.
    """
    live = await ledger.outcomes(spec.name)
    stored = await stored_slots(store, spec.name)
    if live.keys() - set(stored):
        await ledger.forget(spec.name)
        live = {}
    restored = await read_outcomes(store, spec.name, [s for s in stored if s not in live])
    if restored:
        await ledger.restore(restored)
    return [*live.values(), *restored]
