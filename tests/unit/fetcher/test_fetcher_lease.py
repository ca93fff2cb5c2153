"""The lease of one slot: renewed as long as it is ours."""

import asyncio

import pytest

from euguess.messages.collection import SlotKey
from euguess.testing.ledger import InMemoryLedger
from services.fetcher.lease import LeaseLost, SlotLease
from tests.support.fetcher_fakes import request

SLOT = request(0).slot


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lease(ledger: InMemoryLedger, clock: Clock) -> SlotLease:
    return SlotLease(ledger, "demo", request(0), "owner", seconds=10, clock=clock)


async def test_a_lost_lease_stays_lost() -> None:
    ledger = InMemoryLedger()
    ours = lease(ledger, Clock())
    await ours.renew()
    await ledger.lease("demo", {SLOT: 2}, 100)
    for _ in range(2):
        with pytest.raises(LeaseLost):
            await ours.renew()
    with pytest.raises(LeaseLost):
        ours.check()


async def test_an_answer_read_after_the_lease_expired_does_not_count() -> None:
    """The process is suspended between the answer of Redis and the purchase."""
    clock = Clock()

    class Suspended(InMemoryLedger):
        async def renew(
            self, dataset: str, slot: SlotKey, fence: int, owner: str, seconds: float
        ) -> bool:
            answer = await super().renew(dataset, slot, fence, owner, seconds)
            clock.now += 71
            await self.lease(dataset, {slot: 2}, seconds)
            return answer

    with pytest.raises(LeaseLost):
        await lease(Suspended(), clock).renew()


async def test_purchases_of_a_moment_share_one_renewal() -> None:
    clock, renewals = Clock(), []

    class Counting(InMemoryLedger):
        async def renew(
            self, dataset: str, slot: SlotKey, fence: int, owner: str, seconds: float
        ) -> bool:
            renewals.append(clock.now)
            await asyncio.sleep(0)
            return await super().renew(dataset, slot, fence, owner, seconds)

    ledger = Counting()
    ours = lease(ledger, clock)
    await asyncio.gather(*[ours.confirm() for _ in range(3)])
    assert renewals == [0]
    clock.now += 0.1
    await ledger.lease("demo", {SLOT: 2}, 100)
    results = await asyncio.gather(*[ours.confirm() for _ in range(3)], return_exceptions=True)
    assert [type(result) for result in results] == [LeaseLost] * 3
    assert renewals == [0, 0.1]
