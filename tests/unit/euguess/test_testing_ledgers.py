"""The in-memory ledgers, which stand in for those in Redis."""

import pytest
from redis.exceptions import RedisError

from euguess.messages.collection import SlotStatus
from euguess.testing.budget import InMemoryBudgetLedger
from euguess.testing.ledger import InMemoryLedger
from tests.support.ledger_contract import (
    FR0,
    BudgetContract,
    LedgerContract,
    inherited_operations,
    outcome,
)


@pytest.fixture
def ledger() -> InMemoryLedger:
    return InMemoryLedger()


@pytest.fixture
def accounts() -> InMemoryBudgetLedger:
    return InMemoryBudgetLedger()


class TestInMemoryLedger(LedgerContract):
    pass


class TestInMemoryBudgetLedger(BudgetContract):
    pass


@pytest.mark.parametrize("fake", [InMemoryLedger, InMemoryBudgetLedger])
def test_a_fake_implements_every_operation(fake: type) -> None:
    assert inherited_operations(fake) == []


async def test_a_fake_loses_its_data_like_a_flushed_redis(ledger: InMemoryLedger) -> None:
    await ledger.record(outcome(SlotStatus.STORED))
    identity, position = await ledger.identity(), await ledger.last_event()
    ledger.wipe()
    assert await ledger.identity() != identity
    assert await ledger.outcomes("demo") == {}
    assert await ledger.events(position, block_ms=1) == []


async def test_the_clock_of_a_fake_can_be_advanced(ledger: InMemoryLedger) -> None:
    await ledger.lease("demo", {FR0: 1}, 60)
    await ledger.pause("google", "quota", 60)
    ledger.skew_ms += 61_000
    assert not (await ledger.leases("demo"))[FR0].is_live
    assert await ledger.paused("google") is None


async def test_an_unavailable_fake_raises(ledger: InMemoryLedger) -> None:
    ledger.is_down = True
    with pytest.raises(RedisError):
        await ledger.leases("demo")
