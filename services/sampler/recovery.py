"""Taking up the datasets of the store after a start, or after Redis lost its data."""

import logging

from euguess.collection.datasets import dataset_names, read_spec
from euguess.collection.layout import stopped_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName
from euguess.errors import StoreError, StoreUnavailable
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets
from services.sampler.collection import Collection, Conductor
from services.sampler.outcomes import known_outcomes

logger = logging.getLogger(__name__)

DAMAGED = {"action": "damaged"}


async def recover(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, conductor: Conductor
) -> None:
    """Take up all collected datasets where they stand; imported ones need no collection."""
    conductor.start_after(await ledger.last_event())
    for name in await dataset_names(store):
        try:
            await _take_up_stored(store, ledger, budgets, conductor, name)
        except StoreUnavailable:
            raise
        except (StoreError, ValueError) as error:
            logger.error("%s is left alone, it is damaged: %s", name, error, extra=DAMAGED)


async def _take_up_stored(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, conductor: Conductor, name: str
) -> None:
    spec = await read_spec(store, name)
    if spec.provider != ProviderName.FOLDER:
        collection = conductor.prepare(spec)
        await take_up(store, ledger, budgets, collection)
        conductor.collections[name] = collection


async def take_up(
    store: ObjectStore, ledger: Ledger, budgets: Budgets, collection: Collection
) -> None:
    """Fill a new board with final outcomes and with the slots that fetchers work on."""
    spec = collection.board.spec
    for outcome in await known_outcomes(store, ledger, spec):
        collection.board.finish(outcome)
    for slot, (next_candidate, failures) in (await ledger.progress(spec.name)).items():
        collection.board.recall(slot, next_candidate, failures)
    now_ms = await ledger.now_ms()
    for slot, lease in (await ledger.leases(spec.name)).items():
        if lease.expires_ms > now_ms:
            collection.board.adopt(slot, lease.fence)
    collection.possibly_paid = await ledger.possibly_paid(spec.name)
    collection.budget = await budgets.read(spec)
    collection.spent = await budgets.spent(spec)
    collection.is_stopped = await store.exists(stopped_key(spec.name))
