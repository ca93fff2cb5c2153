"""Restore collections from the store and Redis when the sampler starts."""

import logging

from euguess.collection.datasets import dataset_names, known_outcomes, read_spec
from euguess.collection.layout import stopped_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName
from euguess.errors import StoreError, StoreUnavailable
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets
from services.sampler.collection import Collection
from services.sampler.controller import CollectionController

logger = logging.getLogger(__name__)

DAMAGED = {"action": "damaged"}


async def recover(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, controller: CollectionController
) -> None:
    """Restore all collections; imported datasets need none."""
    controller.start_after(await ledger.last_event())
    for name in await dataset_names(store):
        try:
            await _restore_stored(store, ledger, budgets, controller, name)
        except StoreUnavailable:
            raise
        except (StoreError, ValueError) as error:
            logger.error("skipped dataset %s, which is damaged: %s", name, error, extra=DAMAGED)


async def _restore_stored(
    store: ObjectStore,
    ledger: Ledger,
    budgets: Budgets,
    controller: CollectionController,
    name: str,
) -> None:
    spec = await read_spec(store, name)
    if spec.provider != ProviderName.FOLDER:
        collection = controller.new_collection(spec)
        await restore(store, ledger, budgets, collection)
        controller.add(collection)


async def restore(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, collection: Collection
) -> None:
    """Fill a new collection with its final outcomes, progress and slots in flight."""
    spec = collection.spec
    for outcome in await known_outcomes(store, ledger, spec):
        collection.slots.finish(outcome)
    for slot, (next_candidate, failures) in (await ledger.progress(spec.name)).items():
        collection.slots.recall(slot, next_candidate, failures)
    for slot, lease in (await ledger.leases(spec.name)).items():
        if lease.is_live:
            collection.slots.adopt(slot, lease.fence)
    collection.possibly_paid = await ledger.possibly_paid(spec.name)
    collection.budget = await budgets.read(spec)
    collection.spent = await budgets.spent(spec)
    collection.is_stopped = await store.exists(stopped_key(spec.name))
