"""Collections from start to end, with fakes."""

from collections import Counter

import pytest

from euguess.collection.budget import Sum
from euguess.collection.layout import slot_key, stopped_key
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    SlotKey,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.messages.queues import Queue
from services.sampler.candidates import CandidateSource
from services.sampler.controller import Limits
from tests.support.sampler_fakes import World, always, outcome_of, squares

SPEC = DatasetSpec(name="demo", quotas={"FR": 60, "PL": 30}, max_candidates=40)


def spec(**changes: object) -> DatasetSpec:
    return DatasetSpec.model_validate({**SPEC.model_dump(), **changes})


def first_candidate(request: SlotRequest) -> int:
    """Return the position of a request's first candidate in its slot's stream."""
    source = CandidateSource(squares(), SPEC.border_buffer_km)
    country, index = request.slot.country_code, request.slot.index
    (stream,) = source.draw(country, seed=SPEC.seed, slots=[index], first=0, count=100)
    return [tuple(point) for point in stream.tolist()].index(request.candidates[0])


async def test_a_collection_runs_to_completion() -> None:
    world = World()
    await world.service.create(SPEC)
    status = await world.run()
    assert (status.total.stored, status.images, status.bytes) == (90, 270, 27_000)
    assert status.countries["PL"].stored == 30


async def test_images_paid_for_and_not_stored_are_reported_at_the_end_and_after_a_restart() -> None:
    world = World(Limits(reconcile_seconds=3600))
    await world.service.create(spec())
    await world.round()
    world.accounts.sums["demo"] = Sum(3 * spec().requested + 7)
    assert (await world.run()).possibly_paid == 7
    await world.restart()
    assert world.status().possibly_paid == 7


async def test_each_slot_is_fetched_once_without_failures() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    await world.run()
    assert set(Counter(str(r.slot) for _, r in world.fetchers.begun).values()) == {1}


async def test_slots_in_flight_never_exceed_the_limit_over_all_datasets() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=25))
    await world.service.create(SPEC)
    await world.service.create(spec(name="other"))
    for _ in range(30):
        await world.controller.round()
        assert world.controller.outstanding <= 25
        assert sum(len(m.slots) for m in world.publisher.messages) <= 25
        await world.fetchers.work(world.publisher.take())
    assert world.status("demo").state is world.status("other").state is DatasetState.COMPLETE


async def test_nothing_is_published_while_nobody_takes_messages() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    world.ledger.queued[Queue.FETCH] = 20
    await world.controller.round()
    assert world.publisher.messages == []
    world.ledger.queued[Queue.FETCH] = 19
    await world.controller.round()
    assert world.controller.outstanding == 20


async def test_two_datasets_proceed_together() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    await world.service.create(spec(name="other"))
    for _ in range(4):
        await world.round()
    assert world.status("demo").total.stored == pytest.approx(
        world.status("other").total.stored, abs=20
    )


async def test_a_place_without_coverage_ends_after_its_candidates() -> None:
    world = World()
    world.fetchers.answer = always(SlotStatus.EXHAUSTED)
    await world.service.create(spec(quotas={"FR": 2}))
    status = await world.run()
    assert (status.total.no_coverage, status.rejections) == (2, {"no_imagery": 80})
    key = slot_key("demo", SlotKey(country_code="FR", index=0))
    stored = SlotOutcome.model_validate_json(await world.store.get(key))
    assert (stored.status, stored.candidates_tried) == (SlotStatus.NO_COVERAGE, 40)
    begun = [request for _, request in world.fetchers.begun if request.slot.index == 0]
    assert [first_candidate(request) for request in begun] == [0, 16, 32]


async def test_a_slot_that_always_fails_ends_as_a_dead_letter() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=3))
    world.fetchers.answer = lambda request: (
        SlotStatus.RETRY if request.slot.index == 7 else SlotStatus.STORED
    )
    await world.service.create(spec(quotas={"FR": 10}))
    status = await world.run(step_seconds=5)
    assert (status.total.stored, status.total.failed) == (9, 1)
    assert status.failures == {"scripted retry (3 attempts)": 1}
    (letter,) = world.ledger.letters
    assert letter.source == "sampler"
    assert letter.payload["slot"] == {"country_code": "FR", "index": 7}
    assert "3 attempts" in letter.reason


async def test_a_poison_slot_is_retried_alone_and_does_not_affect_others() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=3), lease_seconds=10.0)
    world.fetchers.lease_seconds = 10.0

    def dies_with(request: SlotRequest) -> SlotStatus | None:
        return None if request.slot.index == 3 else SlotStatus.STORED

    world.fetchers.answer = dies_with
    await world.service.create(spec(quotas={"FR": 8}))
    sizes = []
    for _ in range(8):
        sizes += [len(m.slots) for m in await world.round()]
        world.wait(11)
    status = world.status()
    assert sizes == [8, 1, 1]
    assert (status.total.stored, status.total.failed) == (7, 1)


async def test_slots_do_not_fail_if_no_fetcher_starts() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=2), lease_seconds=10.0)
    await world.service.create(SPEC)
    for _ in range(10):
        await world.controller.round()
        world.publisher.take()  # lost, like a message that a killed worker had just taken
        world.wait(11)
    assert world.status().total.pending == 90
    assert (await world.run()).total.stored == 90


async def test_late_messages_are_skipped() -> None:
    world = World(Limits(reconcile_seconds=0), lease_seconds=10.0)
    await world.service.create(spec(quotas={"FR": 5}))
    await world.controller.round()
    late = world.publisher.take()
    world.wait(11)
    await world.round()
    begun = len(world.fetchers.begun)
    await world.controller.round()
    await world.fetchers.work(late)
    assert (await world.run()).total.stored == 5
    assert begun == 5


# --- pauses and stops ---


async def test_nothing_is_published_while_the_provider_is_paused() -> None:
    world = World()
    await world.service.create(SPEC)
    await world.ledger.pause("simulator", "quota spent", None)
    assert await world.round() == []
    status = world.status()
    assert (status.state, status.reason) == (DatasetState.PAUSED, "quota spent")
    world.ledger.pauses.clear()
    assert (await world.run()).total.stored == 90


async def test_deferred_slots_never_fail() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=2))
    world.fetchers.answer = always(SlotStatus.DEFERRED)
    await world.service.create(SPEC)
    for _ in range(5):
        assert await world.round()
        await world.controller.round()
        world.wait(1.1)
    world.fetchers.answer = always(SlotStatus.STORED)
    assert (await world.run()).total.stored == 90


async def test_posting_again_ends_a_pause() -> None:
    world = World()
    await world.service.create(SPEC)
    await world.ledger.pause("simulator", "denied", None)
    await world.round()
    assert (await world.service.create(SPEC)).state is DatasetState.COLLECTING
    assert world.ledger.pauses == {}


async def test_a_stopped_dataset_stays_stopped_across_restarts_and_resumes_when_posted() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    await world.round()
    stopped = await world.service.stop("demo")
    assert stopped.state is DatasetState.STOPPED
    assert await world.store.exists(stopped_key("demo"))
    for _ in range(2):
        assert await world.round() == []
        await world.restart()
    resumed = await world.service.create(SPEC)
    assert resumed.state is DatasetState.COLLECTING
    assert not await world.store.exists(stopped_key("demo"))
    assert (await world.run()).total.stored == 90


async def test_stopping_outdates_queued_slots() -> None:
    world = World()
    await world.service.create(SPEC)
    await world.controller.round()
    queued = world.publisher.take()
    await world.service.stop("demo")
    await world.controller.round()
    await world.fetchers.work(queued)
    assert world.fetchers.begun == []
    assert world.controller.outstanding == 0


async def test_a_stopped_dataset_lets_fetchers_end_the_slots_they_have_begun() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 3}))
    await world.controller.round()
    (message,) = world.publisher.take()
    begun = message.model_copy(update={"slots": message.slots[:1]})
    slot, fence = begun.slots[0].slot, begun.slots[0].fence
    await world.ledger.begin("demo", {slot: fence}, "fetcher", 100)
    await world.service.stop("demo")
    await world.controller.round()
    assert world.controller.outstanding == 1
    assert await world.ledger.renew("demo", slot, fence, "fetcher", 100)
    await world.service.create(spec(quotas={"FR": 3}))
    await world.controller.round()
    published = world.publisher.take()
    assert {request.slot.index for one in published for request in one.slots} == {1, 2}
    await world.fetchers.work(published)
    await world.ledger.record(outcome_of("demo", begun.slots[0], SlotStatus.STORED))
    assert (await world.run()).total.stored == 3


async def test_slots_that_were_begun_stay_in_flight_across_a_stop_and_a_resumption() -> None:
    world = World()
    world.fetchers.answer = always(None)  # they work on
    await world.service.create(spec(quotas={"FR": 3}))
    (message,) = await world.round()
    for _ in range(2):
        await world.service.stop("demo")
        assert await world.round() == []
    await world.service.create(spec(quotas={"FR": 3}))
    assert await world.round() == []
    assert world.controller.outstanding == 3
    for request in message.slots:
        await world.fetchers.finish("demo", request)
    await world.controller.round()
    assert world.status().state is DatasetState.COMPLETE


async def test_a_worker_lost_while_the_dataset_is_stopped_is_counted() -> None:
    world = World(lease_seconds=10.0)
    world.fetchers.lease_seconds = 10.0
    world.fetchers.answer = always(None)
    await world.service.create(spec(quotas={"FR": 1}))
    await world.round()
    await world.service.stop("demo")
    world.wait(11)
    assert await world.round() == []
    assert (world.controller.outstanding, world.ledger.datasets["demo"].progress) == (
        0,
        {SlotKey(country_code="FR", index=0): (0, 1)},
    )
    assert world.status().state is DatasetState.STOPPED


async def test_a_complete_dataset_stays_complete_when_it_is_stopped() -> None:
    world = World()
    await world.service.create(SPEC)
    await world.run()
    assert (await world.service.stop("demo")).state is DatasetState.COMPLETE
    assert not await world.store.exists(stopped_key("demo"))


# --- restarts and losses ---


async def test_a_restarted_sampler_resumes_its_collections() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    for _ in range(3):
        await world.round()
    await world.restart()
    assert (await world.run()).total.stored == 90
    assert set(Counter(str(r.slot) for _, r in world.fetchers.begun).values()) == {1}


async def test_a_restarted_sampler_continues_with_the_next_candidates() -> None:
    world = World()
    world.fetchers.answer = always(SlotStatus.EXHAUSTED)
    await world.service.create(spec(quotas={"FR": 1}))
    await world.round()
    await world.controller.round()
    world.publisher.take()
    await world.restart()
    world.wait(121)
    await world.round()
    assert [first_candidate(request) for _, request in world.fetchers.begun] == [0, 16]


async def test_failures_are_counted_across_restarts() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=4))
    world.fetchers.answer = always(SlotStatus.RETRY)
    await world.service.create(spec(quotas={"FR": 1}))
    for _ in range(6):
        await world.round()
        await world.controller.round()
        await world.restart()
        world.wait(60)
    await world.controller.round()
    assert world.status().total.failed == 1
    assert len(world.fetchers.begun) == 4


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
async def test_fences_grow_even_if_redis_loses_its_data(restarts: bool) -> None:
    world = World()
    world.fetchers.answer = always(SlotStatus.EXHAUSTED)
    await world.service.create(spec(quotas={"FR": 1}, max_candidates=1000))
    fences: list[int] = []
    for _ in range(4):
        fences += [r.fence for m in await world.round() for r in m.slots]
        world.lose_redis()
        if restarts:
            await world.restart()
        assert await world.round() == []
        world.wait(121)
    assert len(fences) == 4
    assert fences == sorted(set(fences))


async def test_an_old_message_is_outdated_after_redis_lost_its_data() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 3}))
    await world.controller.round()
    old = world.publisher.take()
    world.lose_redis()
    await world.restart()
    world.wait(121)
    await world.controller.round()
    await world.fetchers.work(old)
    assert world.fetchers.begun == []
    assert (await world.run()).total.stored == 3


async def test_stored_slots_survive_a_loss_of_redis_data_while_the_sampler_runs() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    for _ in range(3):
        await world.round()
    world.lose_redis()
    status = await world.run()
    assert status.total.stored == 90
    assert len(world.ledger.datasets["demo"].outcomes) == 90
    assert status.images == 270


@pytest.mark.parametrize("restarts", [False, True], ids=["running", "restarted"])
async def test_fetchers_at_work_keep_their_slots_when_redis_loses_its_data(restarts: bool) -> None:
    """They renew their leases; until then nothing is published, or images would be paid twice."""
    world = World(lease_seconds=10.0)
    world.fetchers.lease_seconds = 10.0
    world.fetchers.answer = always(None)
    await world.service.create(spec(quotas={"FR": 2}))
    (message,) = await world.round()
    world.lose_redis()
    if restarts:
        await world.restart()
    assert await world.round() == []
    working, lost = message.slots
    assert await world.fetchers.renew("demo", working)
    world.wait(6)
    assert await world.round() == []
    assert await world.fetchers.renew("demo", working)
    world.wait(6)
    assert [r.slot for m in await world.round() for r in m.slots] == [lost.slot]
    await world.fetchers.finish("demo", working)
    await world.controller.round()
    assert world.status().total.stored == 1


async def test_a_new_dataset_is_published_at_once() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 2}))
    assert len(await world.round()) == 1


async def test_a_restarted_redis_that_kept_its_data_delays_nothing() -> None:
    world = World(Limits(reconcile_seconds=0, outstanding=20))
    await world.service.create(SPEC)
    await world.round()
    world.accounts.wipe()  # accounts are closed on another server process
    await world.restart()
    assert await world.round()


async def test_a_worker_that_was_lost_while_no_sampler_ran_is_counted() -> None:
    world = World(lease_seconds=10.0)
    world.fetchers.lease_seconds = 10.0
    world.fetchers.answer = always(None)
    await world.service.create(spec(quotas={"FR": 1}))
    await world.round()
    world.wait(11)
    await world.restart()
    await world.round()
    assert list(world.ledger.datasets["demo"].progress.values()) == [(0, 1)]


async def test_posting_again_collects_slots_whose_records_were_moved_away() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 2}))
    await world.run()
    await world.store.delete(slot_key("demo", SlotKey(country_code="FR", index=0)))
    assert (await world.service.create(spec(quotas={"FR": 2}))).total.pending == 1
    assert (await world.run()).total.stored == 2


async def test_posting_again_reads_records_that_were_repaired() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 2}))
    await world.run()
    key = slot_key("demo", SlotKey(country_code="FR", index=0))
    intact = await world.store.get(key)
    await world.store.put(key, b"{")
    world.lose_redis()
    await world.restart()
    assert world.status().total.failed == 1
    await world.store.put(key, intact)
    assert (await world.service.create(spec(quotas={"FR": 2}))).total.stored == 2
    assert world.controller.damage.keys == {}


async def test_outcomes_that_are_not_in_the_store_are_dropped() -> None:
    world = World()
    await world.service.create(spec(quotas={"FR": 2}))
    await world.run()
    await world.store.delete(slot_key("demo", SlotKey(country_code="FR", index=0)))
    await world.restart()
    await world.controller.round()
    assert world.status().total.pending == 1
    assert (await world.run()).total.stored == 2


async def test_an_invalid_outcome_is_skipped() -> None:
    world = World()
    await world.service.create(SPEC)
    world.ledger.stream.append(None)
    assert (await world.run()).total.stored == 90


async def test_an_outcome_that_was_stored_but_not_announced_is_recovered() -> None:
    """A fetcher died between its commit and the announcement; the next one announces it."""
    world = World(Limits(reconcile_seconds=0, max_failures=1), lease_seconds=10.0)
    await world.service.create(spec(quotas={"FR": 1}))
    await world.round()
    (event,) = world.ledger.stream
    world.ledger.stream.clear()
    world.ledger.datasets["demo"].outcomes.clear()
    assert event is not None
    await world.ledger.begin("demo", {event.slot: event.fence}, "owner", 0)
    world.wait(11)
    status = await world.run()
    assert (status.total.stored, status.total.failed) == (1, 0)
    assert world.ledger.letters == []


async def test_ending_a_slot_is_retried_after_a_store_failure() -> None:
    world = World()
    world.fetchers.answer = always(SlotStatus.EXHAUSTED)
    await world.service.create(spec(quotas={"FR": 1}, max_candidates=1))
    await world.round()
    world.store.is_down = True
    with pytest.raises(Exception, match="object store"):
        await world.controller.round()
    world.store.is_down = False
    await world.controller.round()
    assert world.status().total.no_coverage == 1
