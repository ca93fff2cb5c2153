"""One sampler leads; the others stand by."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from services.sampler.duty import Duty, StandingBy
from services.sampler.leadership import LEASE_SECONDS, Leadership
from tests.support.leader_lease_contract import LeaderLeaseContract
from tests.support.sampler_fakes import FakeLeaderLease


@dataclass
class Sampler:
    """A sampler whose work is only noted."""

    lease: FakeLeaderLease
    name: str
    restored: int = 0
    is_collecting: bool = False
    has_collections: bool = False
    store_failures: int = 0
    leadership: Leadership = field(init=False)
    duty: Duty = field(init=False)

    def __post_init__(self) -> None:
        self.leadership = Leadership(self.lease, self.name, lambda: self.lease.now)
        self.duty = Duty(
            self.leadership, restore=self._restore, collect=self._collect, drop=self._drop
        )

    async def claim(self) -> None:
        """Do what `run` does each second."""
        await self.leadership.claim()
        await self.duty.turn()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _restore(self) -> None:
        if self.store_failures:
            self.store_failures -= 1
            raise ValueError("an unexpected record")
        self.restored += 1
        self.has_collections = True

    async def _collect(self) -> None:
        self.is_collecting = True
        try:
            await asyncio.Event().wait()
        finally:
            self.is_collecting = False

    def _drop(self) -> None:
        self.has_collections = False


@pytest.fixture
def lease() -> FakeLeaderLease:
    return FakeLeaderLease()


class TestFakeLeaderLease(LeaderLeaseContract):
    pass


async def begun(lease: FakeLeaderLease, name: str) -> Sampler:
    sampler = Sampler(lease, name)
    await sampler.duty.begin()
    await sampler.claim()
    return sampler


async def test_the_first_sampler_leads_at_once_and_the_second_stands_by(
    lease: FakeLeaderLease,
) -> None:
    first, second = await begun(lease, "first"), await begun(lease, "second")
    assert (first.restored, first.is_collecting, first.duty.why_not()) == (1, True, None)
    assert (second.restored, second.is_collecting) == (0, False)
    with pytest.raises(StandingBy, match="first leads"):
        second.duty.check()


async def test_the_second_takes_over_when_the_lease_of_the_first_has_expired(
    lease: FakeLeaderLease,
) -> None:
    await begun(lease, "first")
    second = await begun(lease, "second")
    lease.now += LEASE_SECONDS - 1
    await second.claim()
    assert not second.is_collecting
    lease.now += 2
    await second.claim()
    assert (second.restored, second.is_collecting, second.duty.why_not()) == (1, True, None)


async def test_a_sampler_that_was_relieved_drops_its_collections(lease: FakeLeaderLease) -> None:
    first, second = await begun(lease, "first"), await begun(lease, "second")
    lease.now += LEASE_SECONDS + 1  # the first one hangs
    assert not first.leadership.is_held  # so it publishes nothing when it wakes up
    await second.claim()
    await first.claim()
    assert (first.is_collecting, first.has_collections) == (False, False)
    with pytest.raises(StandingBy, match="second leads"):
        first.duty.check()


async def test_a_leader_goes_on_after_redis_lost_its_lease(lease: FakeLeaderLease) -> None:
    first = await begun(lease, "first")
    lease.value = None
    await first.claim()
    assert (first.restored, first.is_collecting) == (1, True)


async def test_a_leader_starts_anew_if_another_one_has_led_in_between(
    lease: FakeLeaderLease,
) -> None:
    first = await begun(lease, "first")
    lease.value = ("second", lease.now - 1)
    await first.claim()
    assert (first.restored, first.is_collecting) == (2, True)


async def test_a_leader_that_ends_lets_the_next_one_lead_at_once(lease: FakeLeaderLease) -> None:
    first, second = await begun(lease, "first"), await begun(lease, "second")
    await first.duty.end()
    assert not first.is_collecting
    await second.claim()
    assert second.is_collecting


async def test_a_leader_keeps_its_collections_while_redis_is_down(lease: FakeLeaderLease) -> None:
    first = await begun(lease, "first")
    lease.is_down = True
    lease.now += LEASE_SECONDS + 1
    await first.duty.turn()
    assert (first.is_collecting, first.leadership.is_held) == (True, False)


async def test_a_sampler_that_takes_over_tries_again_after_any_failure(
    lease: FakeLeaderLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sampler.duty.CLAIM_SECONDS", 0)
    second = Sampler(lease, "second", store_failures=2)
    await second.claim()
    assert second.duty.why_not() == "takes over: the collections are being read from the store"
    await _eventually(lambda: second.is_collecting)
    assert second.restored == 1


async def test_running_claims_again_and_again_until_it_is_cancelled(
    lease: FakeLeaderLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.sampler.duty.CLAIM_SECONDS", 0)
    await begun(lease, "first")
    second = await begun(lease, "second")
    running = asyncio.create_task(second.duty.run())
    lease.now += LEASE_SECONDS + 1
    await _eventually(lambda: second.is_collecting)
    running.cancel()
    await second.duty.end()
    assert not second.is_collecting


async def _eventually(is_reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_reached():
            await asyncio.sleep(0)
