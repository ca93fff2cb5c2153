"""Restore collections from the store and Redis when the sampler starts."""

import logging

from euguess.collection.datasets import dataset_names, known_outcomes, read_spec
from euguess.collection.layout import stopped_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName
from euguess.errors import DamagedRecord
from euguess.messages.collection import DatasetSpec
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets
from services.sampler.collection import Collection, RedisView
from services.sampler.controller import CollectionController
from services.sampler.damage import DamagedRecords
from services.sampler.outages import fault_of, is_outage

logger = logging.getLogger(__name__)

SKIPPED = {"action": "skipped"}


async def recover(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, controller: CollectionController
) -> None:
    """Restore all collections; imported datasets need none. A dataset that cannot be read is
    skipped and reported."""
    controller.start_after(await ledger.last_event())
    for name in await dataset_names(store):
        try:
            await _restore_stored(store, ledger, budgets, controller, name)
        except DamagedRecord as error:
            await controller.damage.report(name, error.key)
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("skipped dataset %s, which cannot be restored", name, extra=SKIPPED)


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
        view = await restore(store, ledger, budgets, collection, controller.damage)
        controller.add(collection, view)


async def restore(
    store: ObjectStore,
    ledger: Ledger,
    budgets: Budgets,
    collection: Collection,
    damage: DamagedRecords,
) -> RedisView:
    """Fill a new collection with its final outcomes, progress and slots in flight."""
    spec = collection.spec
    view = await _view(ledger, budgets, spec)
    for outcome in await known_outcomes(store, ledger, spec):
        collection.slots.finish(outcome)
        await damage.report_outcome(outcome)
    for slot, (next_candidate, failures) in (await ledger.progress(spec.name)).items():
        collection.slots.recall(slot, next_candidate, failures)
    for slot, lease in (await ledger.leases(spec.name)).items():
        if lease.is_live or (lease.is_begun and not lease.is_ended):  # the latter may be lost
            collection.slots.adopt(slot, lease.fence)
    collection.is_stopped = await store.exists(stopped_key(spec.name))
    await _restore_budget(budgets, collection)
    return view


async def _view(ledger: Ledger, budgets: Budgets, spec: DatasetSpec) -> RedisView:
    """Return what Redis knows of a collection; ask before anything is restored."""
    if await budgets.is_open(spec):
        return RedisView.INTACT
    return RedisView.RESTARTED if await ledger.has_view(spec.name) else RedisView.LOST


async def _restore_budget(budgets: Budgets, collection: Collection) -> None:
    """Read the budget. Without it the collection is paused until it can be read."""
    try:
        await budgets.refresh(collection)
    except Exception as error:
        if is_outage(error):
            raise
        collection.fault = fault_of(error)
