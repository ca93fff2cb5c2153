"""State machine of slots: publishing and outcomes."""

from typing import Any

import pytest

from euguess.clock import utc_now
from euguess.messages.collection import (
    DatasetSpec,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)
from services.sampler.slots import SlotEnd, SlotTracker, SlotWork

FR0 = SlotKey(country_code="FR", index=0)


def a_tracker(max_failures: int = 3, **quotas: int) -> SlotTracker:
    spec = DatasetSpec(name="demo", quotas=quotas or {"FR": 1}, max_candidates=40)
    return SlotTracker(spec, max_failures=max_failures)


def outcome(status: SlotStatus, slot: SlotKey = FR0, fence: int = 0, **fields: Any) -> SlotOutcome:
    known = {"dataset": "demo", "slot": slot, "fence": fence, "status": status}
    return SlotOutcome.model_validate({**known, "finished_at": utc_now(), **fields})


def taken(tracker: SlotTracker, limit: int = 50, now: float = 0) -> list[list[str]]:
    return [[str(work.slot) for work in group] for group in tracker.take(limit, now)]


def test_countries_take_turns() -> None:
    tracker = a_tracker(FR=3, PL=2, DE=1)
    assert taken(tracker) == [["FR/0", "PL/0", "DE/0", "FR/1", "PL/1", "FR/2"]]


def test_a_message_carries_fifty_slots_at_most() -> None:
    assert [len(group) for group in a_tracker(FR=120).take(120, 0)] == [50, 50, 20]


def test_a_slot_in_flight_is_not_taken_again() -> None:
    tracker = a_tracker(FR=2)
    assert taken(tracker) == [["FR/0", "FR/1"]]
    assert taken(tracker) == []


def test_exhausted_candidates_are_followed_by_the_next_up_to_the_limit() -> None:
    tracker, positions, end = a_tracker(), [], None
    while end is None:
        ((work,),) = tracker.take(1, 0)
        positions.append(work.next_candidate)
        end = tracker.apply(outcome(SlotStatus.EXHAUSTED, candidates_tried=16), 0)
    assert positions == [0, 16, 32]
    assert end.status is SlotStatus.NO_COVERAGE


def test_a_failed_slot_is_delayed_longer_each_time_and_then_ends() -> None:
    tracker, ends, now = a_tracker(), list[SlotEnd | None](), 0.0
    for wait in (1.0, 2.0, None):
        assert len(tracker.take(1, now)) == 1
        ends.append(tracker.apply(outcome(SlotStatus.RETRY, reason="503"), now))
        if wait is not None:
            assert tracker.take(1, now + wait - 0.01) == []
            now += wait
    assert ends[:2] == [None, None]
    assert ends[2] is not None
    assert (ends[2].status, ends[2].reason) == (SlotStatus.FAILED, "503 (3 attempts)")


def test_a_failed_slot_is_published_alone() -> None:
    tracker = a_tracker(FR=3)
    tracker.take(2, 0)
    tracker.apply(outcome(SlotStatus.RETRY), 0)
    assert taken(tracker, now=1) == [["FR/0"], ["FR/2"]]


def test_a_failed_slot_that_was_returned_is_still_published_alone() -> None:
    tracker = a_tracker(FR=3)
    tracker.take(2, 0)
    tracker.apply(outcome(SlotStatus.RETRY), 0)
    tracker.give_back(tracker.take(1, 1)[0])
    assert taken(tracker, now=1) == [["FR/0"], ["FR/2"]]


def test_a_deferred_slot_is_published_again_without_a_failure() -> None:
    tracker = a_tracker(max_failures=1)
    tracker.take(1, 0)
    assert tracker.apply(outcome(SlotStatus.DEFERRED), 0) is None
    assert tracker.take(1, 0.9) == []
    ((work,),) = tracker.take(1, 1.0)
    assert (work.failures, work.next_candidate) == (0, 0)


@pytest.mark.parametrize("status", [SlotStatus.STORED, SlotStatus.NO_COVERAGE, SlotStatus.FAILED])
def test_the_first_final_outcome_is_kept_whatever_its_fence(status: SlotStatus) -> None:
    tracker = a_tracker()
    tracker.take(1, 0)
    tracker.apply(outcome(status, fence=99), 0)
    tracker.apply(outcome(SlotStatus.STORED, images=3), 0)
    assert getattr(tracker.counts.total(), status.value) == 1
    assert (tracker.counts.total().pending, tracker.counts.images) == (0, 0)


@pytest.mark.parametrize("late", [SlotStatus.EXHAUSTED, SlotStatus.RETRY, SlotStatus.DEFERRED])
def test_an_outcome_with_an_outdated_fence_changes_nothing(late: SlotStatus) -> None:
    tracker = a_tracker()
    ((work,),) = tracker.take(1, 0)
    work.fence = 7
    tracker.apply(outcome(late, fence=6, images=3), 0)
    assert (set(tracker.in_flight), work.failures, tracker.counts.images) == ({FR0}, 0, 0)


@pytest.mark.parametrize("slot", ["FR/1", "XX/0"])
def test_an_outcome_of_a_slot_that_does_not_exist_is_ignored(slot: str) -> None:
    tracker = a_tracker()
    tracker.apply(outcome(SlotStatus.STORED, SlotKey.parse(slot)), 0)
    assert tracker.counts.total().pending == 1


def test_withdrawn_slots_are_taken_again_and_their_fence_is_outdated() -> None:
    tracker = a_tracker()
    ((work,),) = tracker.take(1, 0)
    tracker.withdraw({FR0: 8})
    assert (tracker.in_flight, work.fence) == ({}, 8)
    assert taken(tracker) == [["FR/0"]]


def test_the_spending_of_all_attempts_is_counted_once() -> None:
    tracker = a_tracker()
    tracker.take(1, 0)
    spent: dict[str, Any] = {"images": 2, "cost": 0.5, "rejections": {"duplicate": 1}}
    end = tracker.apply(outcome(SlotStatus.EXHAUSTED, candidates_tried=40, **spent), 0)
    assert end is not None
    assert (end.work.images, dict(end.work.rejections)) == (2, {"duplicate": 1})
    tracker.finish(outcome(SlotStatus.NO_COVERAGE, **spent), repeats_spending=True)
    assert (tracker.counts.images, tracker.counts.cost) == (2, 0.5)
    assert tracker.counts.rejections == {"duplicate": 1}


# --- after a restart ---


def test_a_slot_of_an_earlier_sampler_is_not_taken_while_its_lease_is_live() -> None:
    tracker = a_tracker(FR=3)
    tracker.adopt(FR0, fence=5)
    assert taken(tracker) == [["FR/1", "FR/2"]]
    assert tracker.in_flight[FR0].fence == 5


def test_progress_of_an_earlier_sampler_is_kept() -> None:
    tracker = a_tracker(FR=2)
    tracker.recall(FR0, next_candidate=16, failures=1)
    tracker.adopt(FR0, fence=5)
    assert tracker.in_flight[FR0] == SlotWork(FR0, next_candidate=16, failures=1, fence=5)
    tracker.give_back([tracker.in_flight[FR0]])
    assert taken(tracker) == [["FR/0"], ["FR/1"]]


def test_progress_of_an_ended_slot_is_ignored() -> None:
    tracker = a_tracker()
    tracker.finish(outcome(SlotStatus.STORED))
    tracker.recall(FR0, next_candidate=16, failures=1)
    assert tracker.take(1, 0) == []
    assert tracker.is_complete
