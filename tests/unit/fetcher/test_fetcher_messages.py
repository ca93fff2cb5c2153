"""One message: every slot gets its outcome, whatever happens to the others."""

import asyncio
import contextlib
from collections.abc import Mapping

import pytest
from redis.exceptions import ConnectionError as RedisDown

from euguess.collection.layout import spec_key
from euguess.errors import InvalidInput, StoreUnavailable
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    FetchLocations,
    SlotKey,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.storage import ObjectStore
from euguess.testing.ledger import InMemoryLedger
from services.fetcher.context import FetchContext
from services.fetcher.message import MessageFetcher
from services.fetcher.providers import AccessDenied, Panorama
from tests.support.fetcher_fakes import SPEC, Bench, FakeProvider, panorama, request


@pytest.fixture
async def bench(memory_store: ObjectStore) -> Bench:
    await memory_store.put(spec_key("demo"), SPEC.model_dump_json().encode())
    return Bench(memory_store)


def fetcher(bench: Bench, lease_seconds: float = 100) -> MessageFetcher:
    return MessageFetcher(bench.store, bench.ledger, lambda _: bench.context, lease_seconds)


def message(*requests: SlotRequest, dataset: str = "demo") -> str:
    return FetchLocations(dataset=dataset, slots=requests).model_dump_json()


def outcomes(bench: Bench) -> dict[int, SlotStatus]:
    return {outcome.slot.index: outcome.status for outcome in bench.ledger.recorded}


async def test_fifty_slots_end_as_fifty_outcomes(bench: Bench) -> None:
    await fetcher(bench).fetch(message(*[request(index) for index in range(50)]))
    assert outcomes(bench) == dict.fromkeys(range(50), SlotStatus.STORED)
    assert bench.provider.fetched.total() == 150


@pytest.mark.parametrize("text", ["", "{}", '{"dataset": "../x", "slots": []}', "\x00"])
async def test_an_invalid_message_is_a_dead_letter(bench: Bench, text: str) -> None:
    await fetcher(bench).fetch(text)
    (letter,) = bench.ledger.letters
    assert (letter.source, letter.payload) == ("fetcher", text)
    assert not bench.ledger.recorded


async def test_a_message_for_an_unknown_dataset_is_a_dead_letter(bench: Bench) -> None:
    await fetcher(bench).fetch(message(request(), dataset="nowhere"))
    (letter,) = bench.ledger.letters
    assert "nowhere" in letter.reason


async def test_a_slot_with_an_outdated_fence_is_skipped(bench: Bench) -> None:
    await bench.ledger.lease("demo", {SlotKey(country_code="FR", index=0): 7}, 100)
    await fetcher(bench).fetch(message(request(0, fence=6), request(1)))
    assert outcomes(bench) == {1: SlotStatus.STORED}


async def test_nothing_more_is_bought_once_a_newer_publication_has_the_lease(bench: Bench) -> None:
    slot = SlotKey(country_code="FR", index=0)

    class Outdated(FakeProvider):
        async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
            await bench.ledger.lease("demo", {slot: 9}, 100)
            await asyncio.sleep(0.1)  # by then the lease was to be renewed
            return await super().find(coordinate, radius_m)

    bench.provider = Outdated()
    await fetcher(bench, lease_seconds=0.03).fetch(message(request(0)))
    assert not bench.provider.fetched
    assert not bench.ledger.recorded


async def test_a_message_delivered_twice_is_fetched_once(bench: Bench) -> None:
    text = message(*[request(index) for index in range(3)])
    await asyncio.gather(*[fetcher(bench).fetch(text) for _ in range(2)])
    assert outcomes(bench) == dict.fromkeys(range(3), SlotStatus.STORED)
    assert len(bench.ledger.recorded) == 3
    assert bench.provider.fetched.total() == 9


async def test_a_message_that_is_delivered_again_after_its_worker_was_lost_does_nothing(
    bench: Bench,
) -> None:
    """The sampler counts the loss first, and publishes the slots again with a higher fence."""
    await bench.ledger.begin("demo", {request(0).slot: 1}, "lost worker", 0)
    await fetcher(bench).fetch(message(request(0)))
    assert not bench.ledger.recorded
    assert bench.provider.finds == 0
    await fetcher(bench).fetch(message(request(0, fence=2)))
    assert outcomes(bench) == {0: SlotStatus.STORED}


async def test_a_second_delivery_returns_no_slot_that_the_first_has_begun(bench: Bench) -> None:
    await bench.ledger.begin("demo", {request(0).slot: 1}, "at work", 100)
    await bench.ledger.pause("simulator", "quota", 60)
    await fetcher(bench).fetch(message(request(0), request(1)))
    assert outcomes(bench) == {1: SlotStatus.DEFERRED}


async def test_a_long_slot_keeps_its_lease(bench: Bench) -> None:
    renewed = asyncio.Event()

    class Counting(InMemoryLedger):
        calls = 0

        async def begin(
            self, dataset: str, fences: Mapping[SlotKey, int], owner: str, seconds: float
        ) -> set[SlotKey]:
            self.calls += 1
            if self.calls == 4:
                renewed.set()
            return await super().begin(dataset, fences, owner, seconds)

    class Slow(FakeProvider):
        async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
            await renewed.wait()
            return await super().find(coordinate, radius_m)

    bench.ledger, bench.provider = Counting(), Slow()
    await asyncio.wait_for(fetcher(bench, lease_seconds=0.03).fetch(message(request(0))), 5)
    assert outcomes(bench) == {0: SlotStatus.STORED}


async def test_a_cancellation_that_redis_swallows_delays_nothing(bench: Bench) -> None:
    """redis-py on Python 3.11 continues if it is cancelled while sending a command."""
    is_sending = asyncio.Event()

    class Swallowing(InMemoryLedger):
        async def begin(
            self, dataset: str, fences: Mapping[SlotKey, int], owner: str, seconds: float
        ) -> set[SlotKey]:
            if self.datasets[dataset].leases and not is_sending.is_set():  # the first renewal
                is_sending.set()
                with contextlib.suppress(asyncio.CancelledError):
                    await asyncio.sleep(0.05)
            return await super().begin(dataset, fences, owner, seconds)

    class Slow(FakeProvider):
        async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
            await is_sending.wait()
            return await super().find(coordinate, radius_m)

    bench.ledger, bench.provider = Swallowing(), Slow()
    await asyncio.wait_for(fetcher(bench, lease_seconds=0.03).fetch(message(request(0))), 5)
    assert outcomes(bench) == {0: SlotStatus.STORED}


async def test_an_unexpected_error_affects_one_slot_and_its_text_is_not_logged(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    def find(at: Coordinate) -> Panorama:
        if at.lat == 45.03:
            raise RuntimeError("https://host/?key=canary")
        return bench.provider._beside(at)

    bench.provider.on_find = find
    await fetcher(bench).fetch(message(*[request(index) for index in range(6)]))
    assert outcomes(bench) == {
        index: SlotStatus.RETRY if index == 3 else SlotStatus.STORED for index in range(6)
    }
    told = caplog.text + "".join(str(vars(record)) for record in caplog.records)
    assert "FR/3" in caplog.text
    assert "canary" not in told + str(bench.ledger.recorded)


async def test_a_redis_error_in_one_slot_does_not_affect_the_others(bench: Bench) -> None:
    class Flaky(InMemoryLedger):
        async def record(self, outcome: SlotOutcome) -> None:
            if outcome.slot.index == 2:
                raise RedisDown
            await super().record(outcome)

    bench.ledger = Flaky()
    with pytest.raises(RedisDown):
        await fetcher(bench).fetch(message(*[request(index) for index in range(5)]))
    assert outcomes(bench) == dict.fromkeys((0, 1, 3, 4), SlotStatus.STORED)


async def test_a_denied_key_costs_one_call_and_defers_all_slots(bench: Bench) -> None:
    def find(at: Coordinate) -> Panorama:
        raise AccessDenied("REQUEST_DENIED")

    bench.provider.on_find = find
    await fetcher(bench).fetch(message(*[request(index) for index in range(50)]))
    assert bench.provider.finds == 1
    assert outcomes(bench) == dict.fromkeys(range(50), SlotStatus.DEFERRED)


async def test_no_call_is_made_while_the_provider_is_paused(bench: Bench) -> None:
    worker = fetcher(bench)
    bench.provider.on_find = _denied
    await worker.fetch(message(request(0)))
    await worker.fetch(message(request(1)))
    assert bench.provider.finds == 1
    bench.ledger.pauses.clear()
    bench.provider.on_find = lambda at: panorama("found", at)
    await worker.fetch(message(request(2)))
    assert outcomes(bench)[2] is SlotStatus.STORED


def _denied(at: Coordinate) -> Panorama:
    raise AccessDenied("REQUEST_DENIED")


async def test_a_provider_that_may_not_be_used_is_paused_with_the_reason(bench: Bench) -> None:
    def refuse(name: str) -> FetchContext:
        raise InvalidInput("accept the terms first")

    await MessageFetcher(bench.store, bench.ledger, refuse, 100).fetch(message(request()))
    assert outcomes(bench) == {0: SlotStatus.DEFERRED}
    assert bench.ledger.pauses == {"simulator": ("accept the terms first", None)}


async def test_all_slots_are_returned_while_the_store_is_down(bench: Bench) -> None:
    class Down:
        def __getattr__(self, name: str) -> object:
            async def fail(*_: object) -> None:
                raise StoreUnavailable

            return fail

    bench.store = Down()  # type: ignore[assignment] # every method fails
    await fetcher(bench).fetch(message(request(0), request(1)))
    assert outcomes(bench) == dict.fromkeys((0, 1), SlotStatus.RETRY)


async def test_slots_that_do_not_end_soon_are_deferred_when_the_fetcher_stops(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.fetcher.message.FINISH_SECONDS", 0.05)
    stopping, first = asyncio.Event(), asyncio.Event()

    class Slow(FakeProvider):
        async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
            await super().find(coordinate, radius_m)
            stopping.set()
            await first.wait()
            raise AssertionError("the call went on")

    bench.provider = Slow()
    working = MessageFetcher(bench.store, bench.ledger, lambda _: bench.context, 100, stopping)
    await asyncio.wait_for(working.fetch(message(*[request(n) for n in range(9)])), 5)
    assert outcomes(bench) == dict.fromkeys(range(9), SlotStatus.DEFERRED)
    assert bench.provider.finds == 1


async def test_a_stopping_fetcher_defers_later_messages(bench: Bench) -> None:
    stopping = asyncio.Event()
    stopping.set()
    working = MessageFetcher(bench.store, bench.ledger, lambda _: bench.context, 100, stopping)
    await working.fetch(message(request(0), request(1)))
    assert outcomes(bench) == dict.fromkeys(range(2), SlotStatus.DEFERRED)
    assert bench.provider.finds == 0
