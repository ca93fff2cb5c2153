"""One slot under a budget: complete locations only, and unused images are released."""

import pytest

from euguess.collection.budget import Sum
from euguess.collection.layout import receipts_prefix
from euguess.collection.receipts import stored_spending
from euguess.errors import StoreUnavailable
from euguess.messages.collection import (
    Budget,
    SlotOutcome,
    SlotStatus,
)
from euguess.storage import ObjectStore
from services.fetcher.providers import ImageryGone, NoAnswer, TransientError, View
from services.fetcher.slot import SlotFetcher
from tests.support.fetcher_fakes import SPEC, Bench, photo, request


@pytest.fixture
def bench(memory_store: ObjectStore) -> Bench:
    return Bench(memory_store)


async def run(bench: Bench, index: int = 0) -> SlotOutcome:
    return await SlotFetcher(bench.context, SPEC, bench.lease(request(index))).run()


async def spent(bench: Bench) -> int:
    """Return the images in the account; check that the store agrees."""
    images = bench.budgets.sums["demo"].images
    assert (await stored_spending(bench.store, "demo", 0.5)).images == images
    return images


async def test_a_location_that_exceeds_the_budget_is_not_started(bench: Bench) -> None:
    bench.open_account(Budget(images=5))
    assert (await run(bench, 0)).status is SlotStatus.STORED
    refused = await run(bench, 1)
    assert (refused.status, refused.images) == (SlotStatus.DEFERRED, 0)
    assert refused.reason == "the budget of 5 images is spent"
    assert sum(bench.provider.fetched.values()) == 3
    assert await spent(bench) == 3


async def test_a_budget_of_money_counts_the_price(bench: Bench) -> None:
    bench.open_account(Budget(dollars=2.99))  # a view costs 0.5
    assert [(await run(bench, n)).status for n in range(2)] == ["stored", "deferred"]
    assert bench.budgets.sums["demo"] == Sum(3, 1_500_000)


async def test_nothing_is_bought_from_a_closed_account(bench: Bench) -> None:
    bench.budgets.wipe()
    assert (await run(bench)).status is SlotStatus.DEFERRED
    assert not bench.provider.fetched


async def test_nothing_is_bought_if_the_account_is_lost_before_the_receipt_is_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.open_account(Budget(images=30))
    create = bench.store.create

    async def reopened_meanwhile(key: str, data: bytes) -> bool:
        if key.startswith(receipts_prefix("demo")):
            bench.budgets.epochs["demo"] = "another"
        return await create(key, data)

    monkeypatch.setattr(bench.store, "create", reopened_meanwhile)
    assert (await run(bench)).status is SlotStatus.DEFERRED
    assert not bench.provider.fetched
    assert [key async for key in bench.store.list(receipts_prefix("demo"))] == []


async def test_views_that_were_not_billed_are_released(bench: Bench) -> None:
    def gone(pano: str, view: View) -> bytes:
        raise ImageryGone

    bench.open_account(Budget(images=3))
    bench.provider.on_fetch = gone
    assert (await run(bench)).rejections == {"bad_imagery": 1}
    assert await spent(bench) == 0


async def test_calls_with_unknown_results_stay_counted(bench: Bench) -> None:
    def lost(pano: str, view: View) -> bytes:
        if view.heading == 0:
            raise NoAnswer("lost")
        return photo(view.heading)

    bench.open_account(Budget(images=10))
    bench.provider.on_fetch = lost
    assert (await run(bench)).status is SlotStatus.RETRY
    assert await spent(bench) == 4  # two good views, and one requested twice


async def test_a_repeated_call_that_may_have_been_billed_stays_within_the_cap(
    bench: Bench,
) -> None:
    def lost(pano: str, view: View) -> bytes:
        raise NoAnswer("lost")

    bench.open_account(Budget(images=4))
    bench.provider.on_fetch = lost
    await run(bench)
    assert sum(bench.provider.fetched.values()) == 4
    assert await spent(bench) == 4


async def test_a_retried_slot_pays_only_for_missing_views(bench: Bench) -> None:
    def busy(pano: str, view: View) -> bytes:
        if view.heading == 120:
            raise TransientError("busy")
        return photo(view.heading)

    bench.open_account(Budget(images=3))
    bench.provider.on_fetch = busy
    assert (await run(bench)).status is SlotStatus.RETRY
    assert await spent(bench) == 2
    bench.provider.on_fetch = lambda pano, view: photo(view.heading)
    assert (await run(bench)).status is SlotStatus.STORED
    assert await spent(bench) == 3


async def test_spending_has_receipts_without_a_budget_too(bench: Bench) -> None:
    await run(bench)
    assert await spent(bench) == 3
    (key,) = [key async for key in bench.store.list(receipts_prefix("demo"))]
    assert key.endswith("-1-3x1500000.json")


async def test_nothing_is_bought_or_counted_while_the_store_refuses_receipts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = bench.store.create

    async def broken(key: str, data: bytes) -> bool:
        if key.startswith(receipts_prefix("demo")):
            raise StoreUnavailable
        return await create(key, data)

    monkeypatch.setattr(bench.store, "create", broken)
    assert (await run(bench)).status is SlotStatus.RETRY
    assert not bench.provider.fetched
    assert await spent(bench) == 0
