"""The state machine of slots: what is published, and what an outcome changes."""

from typing import Any

import pytest

from euguess.clock import utc_now
from euguess.messages.collection import (
    DatasetSpec,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)
from services.sampler.slots import SlotBoard, SlotEnd, SlotWork

FR0 = SlotKey(country_code="FR", index=0)


def a_board(max_failures: int = 3, **quotas: int) -> SlotBoard:
    spec = DatasetSpec(name="demo", quotas=quotas or {"FR": 1}, max_candidates=40)
    return SlotBoard(spec, max_failures=max_failures)


def outcome(status: SlotStatus, slot: SlotKey = FR0, fence: int = 0, **fields: Any) -> SlotOutcome:
    known = {"dataset": "demo", "slot": slot, "fence": fence, "status": status}
    return SlotOutcome.model_validate({**known, "finished_at": utc_now(), **fields})


def taken(board: SlotBoard, limit: int = 50, now: float = 0) -> list[list[str]]:
    return [[str(work.slot) for work in group] for group in board.take(limit, now)]


def test_countries_take_turns() -> None:
    board = a_board(FR=3, PL=2, DE=1)
    assert taken(board) == [["FR/0", "PL/0", "DE/0", "FR/1", "PL/1", "FR/2"]]


def test_a_message_carries_fifty_slots_at_most() -> None:
    assert [len(group) for group in a_board(FR=120).take(120, 0)] == [50, 50, 20]


def test_a_slot_in_flight_is_not_taken_again() -> None:
    board = a_board(FR=2)
    assert taken(board) == [["FR/0", "FR/1"]]
    assert taken(board) == []


def test_exhausted_candidates_are_followed_by_the_next_ones_up_to_the_limit() -> None:
    board, positions, end = a_board(), [], None
    while end is None:
        ((work,),) = board.take(1, 0)
        positions.append(work.next_candidate)
        end = board.apply(outcome(SlotStatus.EXHAUSTED, candidates_tried=16), 0)
    assert positions == [0, 16, 32]
    assert end.status is SlotStatus.NO_COVERAGE


def test_a_failed_slot_waits_longer_each_time_and_then_ends() -> None:
    board, ends, now = a_board(), list[SlotEnd | None](), 0.0
    for wait in (1.0, 2.0, None):
        assert len(board.take(1, now)) == 1
        ends.append(board.apply(outcome(SlotStatus.RETRY, reason="503"), now))
        if wait is not None:
            assert board.take(1, now + wait - 0.01) == []
            now += wait
    assert ends[:2] == [None, None]
    assert ends[2] is not None
    assert (ends[2].status, ends[2].reason) == (SlotStatus.FAILED, "503 (3 attempts)")


def test_a_slot_that_failed_goes_alone() -> None:
    board = a_board(FR=3)
    board.take(2, 0)
    board.apply(outcome(SlotStatus.RETRY), 0)
    assert taken(board, now=1) == [["FR/0"], ["FR/2"]]


def test_a_slot_that_failed_and_was_given_back_still_goes_alone() -> None:
    board = a_board(FR=3)
    board.take(2, 0)
    board.apply(outcome(SlotStatus.RETRY), 0)
    board.give_back(board.take(1, 1)[0])
    assert taken(board, now=1) == [["FR/0"], ["FR/2"]]


def test_a_deferred_slot_comes_again_without_a_failure() -> None:
    board = a_board(max_failures=1)
    board.take(1, 0)
    assert board.apply(outcome(SlotStatus.DEFERRED), 0) is None
    assert board.take(1, 0.9) == []
    ((work,),) = board.take(1, 1.0)
    assert (work.failures, work.next_candidate) == (0, 0)


@pytest.mark.parametrize("status", [SlotStatus.STORED, SlotStatus.NO_COVERAGE, SlotStatus.FAILED])
def test_the_first_final_outcome_stays_whatever_its_attempt(status: SlotStatus) -> None:
    board = a_board()
    board.take(1, 0)
    board.apply(outcome(status, fence=99), 0)
    board.apply(outcome(SlotStatus.STORED, images=3), 0)
    assert getattr(board.counts()[0], status.value) == 1
    assert (board.counts()[0].pending, board.tally.images) == (0, 0)


@pytest.mark.parametrize("late", [SlotStatus.EXHAUSTED, SlotStatus.RETRY, SlotStatus.DEFERRED])
def test_an_outcome_of_an_outdated_attempt_changes_nothing(late: SlotStatus) -> None:
    board = a_board()
    ((work,),) = board.take(1, 0)
    work.fence = 7
    board.apply(outcome(late, fence=6, images=3), 0)
    assert (set(board.in_flight), work.failures, board.tally.images) == ({FR0}, 0, 0)


@pytest.mark.parametrize("slot", ["FR/1", "XX/0"])
def test_an_outcome_of_a_slot_that_does_not_exist_is_ignored(slot: str) -> None:
    board = a_board()
    board.apply(outcome(SlotStatus.STORED, SlotKey.parse(slot)), 0)
    assert board.counts()[0].pending == 1


def test_withdrawn_slots_are_taken_again_and_their_attempt_is_outdated() -> None:
    board = a_board()
    ((work,),) = board.take(1, 0)
    board.withdraw({FR0: 8})
    assert (board.in_flight, work.fence) == ({}, 8)
    assert taken(board) == [["FR/0"]]


def test_what_all_attempts_spent_is_counted_once() -> None:
    board = a_board()
    board.take(1, 0)
    spent: dict[str, Any] = {"images": 2, "cost": 0.5, "rejections": {"duplicate": 1}}
    end = board.apply(outcome(SlotStatus.EXHAUSTED, candidates_tried=40, **spent), 0)
    assert end is not None
    assert (end.work.images, dict(end.work.rejections)) == (2, {"duplicate": 1})
    board.finish(outcome(SlotStatus.NO_COVERAGE, **spent), repeats_spending=True)
    assert (board.tally.images, board.tally.cost) == (2, 0.5)
    assert board.tally.rejections == {"duplicate": 1}


# --- after a restart ---


def test_what_an_earlier_sampler_published_is_not_taken_while_its_lease_lives() -> None:
    board = a_board(FR=3)
    board.adopt(FR0, fence=5)
    assert taken(board) == [["FR/1", "FR/2"]]
    assert board.in_flight[FR0].fence == 5


def test_progress_of_an_earlier_sampler_is_kept() -> None:
    board = a_board(FR=2)
    board.recall(FR0, next_candidate=16, failures=1)
    board.adopt(FR0, fence=5)
    assert board.in_flight[FR0] == SlotWork(FR0, next_candidate=16, failures=1, fence=5)
    board.give_back([board.in_flight[FR0]])
    assert taken(board) == [["FR/0"], ["FR/1"]]


def test_progress_of_a_slot_that_ended_is_of_no_interest() -> None:
    board = a_board()
    board.finish(outcome(SlotStatus.STORED))
    board.recall(FR0, next_candidate=16, failures=1)
    assert board.take(1, 0) == []
    assert board.is_complete
