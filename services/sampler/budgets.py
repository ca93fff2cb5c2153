"""Budgets of collections: read and set them, and check what is left."""

import asyncio

from pydantic import ValidationError

from euguess.collection.budget import BudgetLedger, Sum, cost, shortage
from euguess.collection.layout import budget_key
from euguess.collection.providers import tariff
from euguess.collection.receipts import stored_spending
from euguess.errors import DamagedRecord, ObjectNotFound
from euguess.messages.collection import Budget, DatasetSpec
from euguess.storage import ObjectStore
from services.sampler.collection import Collection


class Budgets:
    """Budgets in the store, and the accounts in Redis that are opened from it."""

    def __init__(self, store: ObjectStore, accounts: BudgetLedger) -> None:
        self._store = store
        self._accounts = accounts
        self._applied: set[str] = set()  # names whose account has the stored budget
        self._lock = asyncio.Lock()  # so that an older budget never overwrites a newer one

    async def read(self, spec: DatasetSpec) -> Budget | None:
        """Return the budget that was set last, initially that of the spec.

        Raises DamagedRecord.
        """
        key = budget_key(spec.name)
        try:
            found = Budget.model_validate_json(await self._store.get(key))
        except ObjectNotFound:
            return spec.budget
        except ValidationError:
            raise DamagedRecord(key) from None
        return found if found != Budget() else None

    async def refresh(self, collection: Collection) -> None:
        """Read what a collection may spend and has spent. Raises DamagedRecord."""
        if not collection.is_budget_known:
            collection.budget = await self.read(collection.spec)
            collection.is_budget_known = True
            self._applied.discard(collection.spec.name)  # another sampler may have replaced it
        collection.spent = await self.spent(collection.spec)

    async def store(self, name: str, budget: Budget) -> None:
        """Replace a budget in the store. `apply` or the next `spent` tells the fetchers."""
        async with self._lock:
            await self._store.put(budget_key(name), budget.model_dump_json().encode())
            self._applied.discard(name)

    async def apply(self, spec: DatasetSpec) -> None:
        """Set the stored budget for all fetchers, unless that has been done."""
        async with self._lock:
            if spec.name not in self._applied:
                await self._accounts.cap(spec.name, await self.read(spec))
                self._applied.add(spec.name)

    async def is_open(self, spec: DatasetSpec) -> bool:
        """Return False if the account was lost, or Redis was restarted since it was opened."""
        return await self._accounts.spent(spec.name) is not None

    async def spent(self, spec: DatasetSpec) -> Sum | None:
        """Return what the account has spent; open it from the store if Redis has lost it.

        None if it was lost again in the meantime.
        """
        spent = await self._accounts.spent(spec.name)
        if spent is None:
            epoch = await self._accounts.prepare(spec.name)
            price = tariff(spec.provider).dollars_per_image
            spent = await stored_spending(self._store, spec.name, price)
            if not await self._accounts.open(spec.name, epoch, spent, await self.read(spec)):
                return None
            self._applied.discard(spec.name)  # the budget may have changed in the meantime
        await self.apply(spec)
        return spent

    async def forget(self, name: str) -> None:
        """Close the account of a new dataset whose name may have been used before."""
        self._applied.discard(name)
        await self._accounts.close(name)


def why_spent(budget: Budget | None, spent: Sum | None, provider: str, images: int) -> str | None:
    """Return why a location that needs that many images cannot be bought now, if so."""
    if spent is None:
        return "the amount spent is being read from the store"
    return shortage(budget, spent, cost(images, tariff(provider).dollars_per_image))
