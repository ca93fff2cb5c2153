"""One slot: stored data and payments, including repeated attempts."""

import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from euguess.collection.layout import dataset_prefix, locations_prefix, slot_key
from euguess.errors import StoreUnavailable
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    LocationRecord,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.storage import ObjectStore
from services.fetcher import slot as slot_module
from services.fetcher import view as view_module
from services.fetcher.lease import LeaseLost
from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    ImageryGone,
    NoAnswer,
    Panorama,
    Refused,
    TransientError,
    UnusablePanorama,
    View,
)
from services.fetcher.slot import SlotFetcher, outcome_of
from tests.support.fetcher_fakes import SPEC, Bench, FakeProvider, panorama, photo, request

FIRST, SECOND = Coordinate(46.0, 2.0), Coordinate(46.5, 2.0)


@pytest.fixture
def bench(memory_store: ObjectStore) -> Bench:
    return Bench(memory_store)


async def run(bench: Bench, wanted: SlotRequest) -> SlotOutcome:
    return await SlotFetcher(bench.context, SPEC, bench.lease(wanted)).run()


async def keys(bench: Bench, prefix: str) -> list[str]:
    return sorted([key async for key in bench.store.list(prefix)])


async def images(bench: Bench) -> list[str]:
    return await keys(bench, f"{dataset_prefix('demo')}images/")


def counted(bench: Bench) -> int:
    """Return the images that the account counts as spent."""
    return bench.budgets.sums["demo"].images


class Crash(BaseException):
    """Simulates SIGKILL."""


class CrashingStore:
    """A store that crashes at the n-th creation, before or after it takes effect."""

    def __init__(self, store: ObjectStore, at: int, *, after: bool) -> None:
        self._store, self._left, self._after = store, at, after
        self.get, self.exists, self.put = store.get, store.exists, store.put
        self.folders, self.delete = store.folders, store.delete

    def list(self, prefix: str) -> AsyncIterator[str]:
        return self._store.list(prefix)

    async def create(self, key: str, data: bytes) -> bool:
        self._left -= 1
        is_last = self._left == 0
        if is_last and not self._after:
            raise Crash
        created = await self._store.create(key, data)
        if is_last:
            raise Crash
        return created


async def test_a_slot_is_stored_with_its_views_and_its_record(bench: Bench) -> None:
    outcome = await run(bench, request(0, FIRST))
    assert (outcome.status, outcome.images, outcome.cost) == (SlotStatus.STORED, 3, 1.5)
    (key,) = await keys(bench, locations_prefix("demo"))
    record = LocationRecord.model_validate_json(await bench.store.get(key))
    assert record.location_id == outcome.location_id
    assert (record.slot, record.country_code) == (outcome.slot, "FR")
    assert [view.heading for view in record.views] == [0, 120, 240]
    for view in record.views:
        assert await bench.store.get(view.key, sha256=view.sha256) == photo(int(view.heading))
    assert (
        SlotOutcome.model_validate_json(await bench.store.get(slot_key("demo", outcome.slot)))
        == outcome
    )
    assert counted(bench) == 3


async def test_images_are_checked_outside_the_event_loop(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: list[threading.Thread] = []
    monkeypatch.setattr(
        "services.fetcher.view.check_image",
        lambda data, size: threads.append(threading.current_thread()),
    )
    await run(bench, request(0, FIRST))
    assert len(threads) == 3
    assert threading.main_thread() not in threads


async def test_candidates_are_tried_in_order_until_one_is_good(bench: Bench) -> None:
    answers = {47.0: None, 47.1: panorama("far", Coordinate(40, 2)), 47.2: panorama("nil")}
    bench.provider.on_find = lambda at: (
        answers.get(at.lat) or (bench.provider._beside(at) if at.lat == 48.0 else None)
    )
    places = [Coordinate(lat, 2.0) for lat in (47.0, 47.1, 48.0, 49.0)]
    outcome = await run(bench, request(0, *places))
    assert outcome.status is SlotStatus.STORED
    assert outcome.candidates_tried == 3
    assert outcome.rejections == {"no_imagery": 1, "too_far": 1}


async def test_without_a_good_candidate_nothing_is_stored_or_paid(bench: Bench) -> None:
    bench.provider.on_find = lambda at: None
    outcome = await run(bench, request(0, FIRST, SECOND))
    assert (outcome.status, outcome.candidates_tried) == (SlotStatus.EXHAUSTED, 2)
    assert await keys(bench, dataset_prefix("demo")) == []
    assert not bench.provider.fetched


async def test_a_panorama_is_stored_for_one_slot_only(bench: Bench) -> None:
    bench.provider.on_find = lambda at: panorama("same", at)
    await run(bench, request(0, FIRST))
    outcome = await run(bench, request(1, FIRST))
    assert (outcome.status, outcome.rejections) == (SlotStatus.EXHAUSTED, {"duplicate": 1})


async def test_one_panorama_is_stored_once_even_if_redis_loses_its_reservations(
    bench: Bench,
) -> None:
    bench.provider.on_find = lambda at: panorama("same", at)
    await run(bench, request(0, FIRST))
    bench.ledger.datasets["demo"].panoramas.clear()
    outcome = await run(bench, request(1, FIRST))
    assert outcome.rejections == {"duplicate": 1}
    assert bench.provider.fetched.total() == 3


async def test_a_finished_slot_is_announced_again_but_not_fetched(bench: Bench) -> None:
    first = await run(bench, request(0, FIRST))
    assert await run(bench, request(0, SECOND, fence=2)) == first
    assert bench.provider.finds == 1


# Creations in order: the receipt, three images, the location record, the outcome.
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("at", range(1, 7))
async def test_a_crash_between_any_two_writes_costs_no_image_twice(
    bench: Bench, at: int, after: bool
) -> None:
    whole = bench.store
    bench.store = CrashingStore(whole, at, after=after)
    with pytest.raises(Crash):
        await run(bench, request(0, FIRST))
    bench.store = whole
    outcome = await run(bench, request(0, FIRST, fence=2))
    assert outcome.status is SlotStatus.STORED
    assert len(await images(bench)) == 3
    assert len(await keys(bench, locations_prefix("demo"))) == 1
    lost = bench.provider.fetched.total() - 3
    assert lost == (1 if 2 <= at <= 4 and not after else 0)  # downloaded but never stored
    assert counted(bench) == 3 + lost


async def test_images_of_a_slot_that_failed_are_used_by_the_next_slot(bench: Bench) -> None:
    def busy(pano: str, view: View) -> bytes:
        if view.heading == 120:
            raise TransientError("busy")
        return photo(view.heading)

    bench.provider.on_find = lambda at: panorama("same", at)
    bench.provider.on_fetch = busy
    await run(bench, request(0, FIRST))
    given_up = outcome_of("demo", request(0, FIRST), SlotStatus.FAILED, reason="busy")
    await bench.ledger.record(given_up)
    bench.provider.on_fetch = lambda pano, view: photo(view.heading)
    outcome = await run(bench, request(1, FIRST))
    assert (outcome.status, outcome.images) == (SlotStatus.STORED, 1)
    assert counted(bench) == len(await images(bench)) == 3


class BrokenForImages:
    """A store that refuses images for a while; `refused` counts the attempts."""

    def __init__(self, store: ObjectStore, times: int) -> None:
        self._store, self._times, self.refused = store, times, 0
        self.get, self.delete, self.list = store.get, store.delete, store.list

    async def create(self, key: str, data: bytes) -> bool:
        if "/images/" in key and self.refused < self._times:
            self.refused += 1
            raise StoreUnavailable
        return await self._store.create(key, data)


async def test_an_image_that_the_store_refuses_is_stored_later_and_paid_for_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view_module, "FIRST_RETRY_SECONDS", 0.001)
    broken = BrokenForImages(bench.store, times=7)
    bench.store = broken  # type: ignore[assignment] # has what a slot needs
    outcome = await run(bench, request(0, FIRST))
    assert (outcome.status, broken.refused) == (SlotStatus.STORED, 7)
    assert bench.provider.fetched.total() == counted(bench) == 3


async def test_an_image_that_was_never_stored_is_used_by_the_next_attempt_in_the_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_module, "SLOT_SECONDS", 0.1)
    whole, context = bench.store, bench.context
    bench.store = BrokenForImages(whole, times=1000)  # type: ignore[assignment] # as above
    context = replace(bench.context, paid=context.paid)
    first = await SlotFetcher(context, SPEC, bench.lease(request(0, FIRST))).run()
    assert (first.status, first.images) == (SlotStatus.RETRY, 3)
    monkeypatch.setattr(slot_module, "SLOT_SECONDS", 100)
    context = replace(context, store=whole)
    second = await SlotFetcher(context, SPEC, bench.lease(request(0, FIRST, fence=2))).run()
    assert (second.status, second.images) == (SlotStatus.STORED, 0)
    assert bench.provider.fetched.total() == counted(bench) == 3
    assert not any(key in context.paid for key in await images(bench))


async def test_an_attempt_that_lost_its_lease_stores_what_it_paid_for_and_buys_no_more(
    bench: Bench,
) -> None:
    """A newer publication takes over the slot during its first calls."""
    now = 0.0
    lease = replace(bench.lease(request(0, FIRST)), clock=lambda: now)

    def taken_over(pano: str, view: View) -> bytes:
        nonlocal now
        now += 1
        bench.ledger.datasets["demo"].leases[lease.request.slot] = (9, 0, "")
        if view.heading == 0:
            raise TransientError("busy")  # and may not be repeated
        return photo(view.heading)

    bench.provider.on_fetch = taken_over
    with pytest.raises(LeaseLost):
        await SlotFetcher(bench.context, SPEC, lease).run()
    assert bench.provider.fetched.total() == 3
    assert counted(bench) == len(await images(bench)) == 2
    assert await keys(bench, locations_prefix("demo")) == []


async def test_stored_views_are_not_paid_for_again_after_redis_lost_its_data(bench: Bench) -> None:
    whole = bench.store
    bench.store = CrashingStore(whole, 5, after=False)
    with pytest.raises(Crash):
        await run(bench, request(0, FIRST))
    bench = Bench(whole, bench.provider)
    outcome = await run(bench, request(0, FIRST, fence=2))
    assert (outcome.status, outcome.images) == (SlotStatus.STORED, 0)
    assert bench.provider.fetched.total() == 3


@pytest.mark.parametrize(
    ("trouble", "calls", "possibly_paid"),
    [
        (TransientError("HTTP 500"), 4, 0),
        (NoAnswer("TimeoutError"), 2, 2),
    ],
)
async def test_a_persistent_error_returns_the_slot(
    bench: Bench, trouble: Exception, calls: int, possibly_paid: int
) -> None:
    def fetch(pano: str, view: View) -> bytes:
        if view.heading == 120:
            raise trouble
        return photo(view.heading)

    bench.provider.on_fetch = fetch
    outcome = await run(bench, request(0, FIRST))
    assert outcome.status is SlotStatus.RETRY
    assert sum(n for (_, heading), n in bench.provider.fetched.items() if heading == 120) == calls
    assert counted(bench) == possibly_paid + len(await images(bench)) == possibly_paid + 2

    bench.provider.on_fetch = lambda pano, view: photo(view.heading)
    again = await run(bench, request(0, FIRST, fence=2))
    assert (again.status, again.images) == (SlotStatus.STORED, 1)
    assert counted(bench) == possibly_paid + 3


@pytest.mark.parametrize("trouble", [ImageryGone(), BadImage("grey")])
async def test_a_panorama_without_good_views_is_skipped_and_leaves_nothing(
    bench: Bench, trouble: Exception
) -> None:
    def fetch(pano: str, view: View) -> bytes:
        if pano == "bad" and view.heading == 240:
            raise trouble
        return photo(view.heading)

    def find(at: Coordinate) -> Panorama:
        return panorama("bad" if at == FIRST else "good", at)

    bench.provider.on_fetch, bench.provider.on_find = fetch, find
    outcome = await run(bench, request(0, FIRST, SECOND))
    assert (outcome.status, outcome.rejections) == (SlotStatus.STORED, {"bad_imagery": 1})
    assert {key.split("/")[4] for key in await images(bench)} == {"simulator-good"}


async def test_every_image_that_was_billed_is_counted(bench: Bench) -> None:
    """Two of three views are bad; each is requested twice, then the panorama is skipped."""
    bench.provider.on_fetch = lambda pano, view: photo(view.heading) if view.heading == 0 else b"x"
    await run(bench, request(0, FIRST))
    assert bench.provider.fetched.total() == counted(bench) == 5


async def test_impossible_metadata_costs_the_candidate_and_not_the_slot(bench: Bench) -> None:
    def find(at: Coordinate) -> Panorama:
        if at == FIRST:
            raise UnusablePanorama
        return panorama("good", at)

    bench.provider.on_find = find
    outcome = await run(bench, request(0, FIRST, SECOND))
    assert (outcome.status, outcome.rejections) == (SlotStatus.STORED, {"bad_metadata": 1})


async def test_a_refused_request_ends_the_slot_for_good(bench: Bench) -> None:
    def fetch(pano: str, view: View) -> bytes:
        raise Refused("HTTP 400")

    bench.provider.on_fetch = fetch
    outcome = await run(bench, request(0, FIRST))
    assert (outcome.status, outcome.reason) == (SlotStatus.FAILED, "simulator: HTTP 400")
    assert await bench.store.exists(slot_key("demo", outcome.slot))
    assert await run(bench, request(0, FIRST, fence=2)) == outcome


async def test_a_denied_key_pauses_the_provider_and_defers_the_slot(bench: Bench) -> None:
    def find(at: Coordinate) -> Panorama:
        raise AccessDenied("REQUEST_DENIED")

    bench.provider.on_find = find
    outcome = await run(bench, request(0, FIRST))
    assert outcome.status is SlotStatus.DEFERRED
    assert bench.ledger.pauses == {"simulator": ("simulator: REQUEST_DENIED", None)}
    assert not await bench.store.exists(slot_key("demo", outcome.slot))


async def test_a_final_outcome_from_the_sampler_is_kept(bench: Bench) -> None:
    wanted = request(0, FIRST)
    failed = outcome_of("demo", wanted, SlotStatus.FAILED, reason="given up")

    class SlowProvider(FakeProvider):
        async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
            await bench.store.create(
                slot_key("demo", failed.slot), failed.model_dump_json().encode()
            )
            return await super().find(coordinate, radius_m)

    bench.provider = SlowProvider()
    assert await run(bench, wanted) == failed
