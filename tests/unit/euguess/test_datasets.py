"""Counting slots: requested = stored + no_coverage + failed + pending."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from euguess.clock import utc_now
from euguess.collection.datasets import summarise
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    SlotKey,
    SlotOutcome,
    SlotStatus,
    StatusCounts,
)

QUOTAS = {"FR": 4, "PL": 3}
SPEC = DatasetSpec(name="demo", quotas=QUOTAS)
SLOTS = [SlotKey(country_code=c, index=i) for c, quota in QUOTAS.items() for i in range(quota)]
FINAL = [status for status in SlotStatus if status.is_final]


def outcome(slot: SlotKey, status: SlotStatus) -> SlotOutcome:
    reason = "damaged" if status is SlotStatus.FAILED else None
    return SlotOutcome(
        dataset="demo", slot=slot, fence=1, status=status, reason=reason, finished_at=utc_now()
    )


@given(st.dictionaries(st.sampled_from(SLOTS), st.sampled_from(FINAL)))
def test_counts_add_up_for_any_outcomes(ended: dict[SlotKey, SlotStatus]) -> None:
    status = summarise(SPEC, [outcome(slot, how) for slot, how in ended.items()])
    assert status.total.requested == sum(QUOTAS.values())
    assert status.total.pending == len(SLOTS) - len(ended)
    assert sum(status.failures.values()) == status.total.failed


def test_an_outcome_announced_twice_counts_once() -> None:
    twice = [outcome(SLOTS[0], SlotStatus.STORED)] * 2
    assert summarise(SPEC, twice).total.stored == 1


def test_a_collection_is_complete_when_nothing_is_pending() -> None:
    status = summarise(SPEC, [outcome(slot, SlotStatus.NO_COVERAGE) for slot in SLOTS])
    assert status.state is DatasetState.COMPLETE


def test_counts_that_do_not_add_up_are_rejected() -> None:
    with pytest.raises(ValidationError, match="add up"):
        StatusCounts(requested=3, stored=1, no_coverage=0, failed=0, pending=0)
