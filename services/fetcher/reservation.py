"""The share of a budget that is reserved for one location."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from euguess.collection.budget import BudgetLedger, BudgetSpent, Grant, Sum, cost
from euguess.collection.receipts import Receipt, new_receipt, reduce_receipt, write_receipt
from euguess.errors import StoreError
from euguess.storage import ObjectStore


@dataclass(frozen=True, slots=True)
class _Purchase:
    grant: Grant
    amount: Sum
    receipt: Receipt


class BudgetReservation:
    """Images that may be bought for a location, reserved at once for all its views.

    The receipt is in the store before anything is bought. Each call uses one image. Unused images
    are released when the location is done. Calls whose result is unknown, and all images of a
    fetcher that was killed, stay counted as spent.
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
        self._unused = 0
        self._purchases: list[_Purchase] = []
        self._top_up = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def of(self, images: int) -> AsyncIterator["BudgetReservation"]:
        """Reserve that many images; before any is bought it raises BudgetSpent or StoreError."""
        try:
            if images:
                await self._reserve(images)
            yield self
        finally:
            await self._release()

    async def use(self) -> None:
        """Use one image for a call; reserve another one for a retry. Raises BudgetSpent."""
        async with self._top_up:
            if self._unused == 0:
                await self._reserve(1)
            self._unused -= 1

    def refund(self) -> None:
        """Return the image of a call that was certainly not billed."""
        self._unused += 1

    async def _reserve(self, images: int) -> None:
        amount = cost(images, self._price)
        grant = await self._budgets.reserve(self._dataset, amount)
        receipt = new_receipt(self._dataset, self._location_id, amount)
        self._purchases.append(_Purchase(grant, amount, receipt))
        self._unused += images
        await write_receipt(self._store, receipt)
        # If the account was reopened before the receipt was stored, it does not include it.
        if not await self._budgets.holds(self._dataset, grant):
            raise BudgetSpent("the amount spent is being read from the store")

    async def _release(self) -> None:
        for purchase in reversed(self._purchases):
            unused = cost(min(self._unused, purchase.amount.images), self._price)
            if not unused.images:
                return
            self._unused -= unused.images
            await self._give_back(purchase, unused)

    async def _give_back(self, purchase: _Purchase, unused: Sum) -> None:
        amount = purchase.amount
        used = Sum(amount.images - unused.images, amount.micros - unused.micros)
        with contextlib.suppress(StoreError):  # then the receipt counts too much, never too little
            await reduce_receipt(self._store, purchase.receipt, used)
        await self._budgets.release(self._dataset, purchase.grant, unused)
