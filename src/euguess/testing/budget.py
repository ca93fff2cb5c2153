"""Budget accounts in memory. They pass the same contract test as those in Redis."""

import secrets

from euguess.collection.budget import BudgetLedger, BudgetSpent, Grant, Sum, shortage
from euguess.messages.collection import Budget


class InMemoryBudgetLedger(BudgetLedger):
    """Accounts in memory; `epochs` holds those that are open."""

    def __init__(self) -> None:
        self.wipe()

    def wipe(self) -> None:
        """Lose all accounts, as after FLUSHALL."""
        self.epochs: dict[str, str] = {}
        self.preparing: dict[str, str] = {}
        self.sums: dict[str, Sum] = {}
        self.budgets: dict[str, Budget | None] = {}

    async def reserve(self, dataset: str, amount: Sum) -> Grant:
        if dataset not in self.epochs:
            raise BudgetSpent("the amount spent is being read from the store")
        reason = shortage(self.budgets[dataset], self.sums[dataset], amount)
        if reason is not None:
            raise BudgetSpent(reason)
        self.sums[dataset] += amount
        return Grant(self.epochs[dataset])

    async def holds(self, dataset: str, grant: Grant) -> bool:
        return self.epochs.get(dataset) == grant.epoch

    async def release(self, dataset: str, grant: Grant, unused: Sum) -> None:
        if await self.holds(dataset, grant):
            self.sums[dataset] += Sum(-unused.images, -unused.micros)

    async def spent(self, dataset: str) -> Sum | None:
        return self.sums[dataset] if dataset in self.epochs else None

    async def prepare(self, dataset: str) -> str:
        await self.close(dataset)
        self.preparing[dataset] = secrets.token_hex(8)
        return self.preparing[dataset]

    async def open(self, dataset: str, epoch: str, spent: Sum, budget: Budget | None) -> bool:
        if self.preparing.get(dataset) != epoch:
            return False
        del self.preparing[dataset]
        self.epochs[dataset], self.sums[dataset], self.budgets[dataset] = epoch, spent, budget
        return True

    async def cap(self, dataset: str, budget: Budget | None) -> None:
        if dataset in self.epochs:
            self.budgets[dataset] = budget

    async def close(self, dataset: str) -> None:
        for part in (self.epochs, self.preparing):
            part.pop(dataset, None)
