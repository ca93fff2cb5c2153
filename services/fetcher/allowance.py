"""The part of a budget that one place may use."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from euguess.collection.budget import BudgetLedger, BudgetSpent, Grant, Sum, cost
from euguess.collection.receipts import Receipt, reduce_receipt, write_receipt
from euguess.storage import ObjectStore


class Allowance:
    """Images that may be bought for a place: granted at once for all its views.

    Each call uses one. What was not used when the place is done is given back; a call of unknown
    result, and all of a fetcher that was killed, stay counted.
    """

    def __init__(
        self,
        budgets: BudgetLedger,
        store: ObjectStore,
        dataset: str,
        location_id: str,
        price: float,
    ) -> None:
        self._budgets = budgets
        self._store = store
        self._dataset = dataset
        self._location_id = location_id
        self._price = price
        self._left = 0
        self._bought: list[tuple[Grant, Sum, Receipt | None]] = []
        self._more = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def of(self, images: int) -> AsyncIterator["Allowance"]:
        """Room for that many images. Raises BudgetSpent before any of them is bought."""
        try:
            if images:
                await self._take(images)
            yield self
        finally:
            await self._give_back()

    async def use(self) -> None:
        """One call is about to be made; a repeated one needs an image more. Raises BudgetSpent."""
        async with self._more:
            if self._left == 0:
                await self._take(1)
            self._left -= 1

    def refund(self) -> None:
        """A call is known not to have been billed."""
        self._left += 1

    async def _take(self, images: int) -> None:
        amount = cost(images, self._price)
        grant = await self._budgets.take(self._dataset, amount)
        receipt = None
        if grant.is_capped:
            receipt = await write_receipt(self._store, self._dataset, self._location_id, amount)
        self._bought.append((grant, amount, receipt))
        self._left += images
        # Was the account opened anew before the receipt was there, then this is not counted in it.
        if grant.is_capped and not await self._budgets.holds(self._dataset, grant):
            raise BudgetSpent("what was spent is being read from the store")

    async def _give_back(self) -> None:
        for grant, amount, receipt in reversed(self._bought):
            unused = cost(min(self._left, amount.images), self._price)
            if not unused.images:
                return
            self._left -= unused.images
            used = Sum(amount.images - unused.images, amount.micros - unused.micros)
            if receipt is not None:
                await reduce_receipt(self._store, self._dataset, self._location_id, receipt, used)
            await self._budgets.give_back(self._dataset, grant, unused)
