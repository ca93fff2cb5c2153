"""Messages: validation, and a stable JSON format."""

from typing import Any

import pytest
from pydantic import ValidationError

from euguess.messages.collection import (
    DatasetSpec,
    FetchLocations,
    SlotKey,
    SlotOutcome,
    SlotRequest,
)

GOLDEN_MESSAGE = (
    '{"dataset":"demo","slots":[{"slot":{"country_code":"FR","index":3},'
    '"candidates":[[48.5,2.25]],"fence":2}],"schema_version":1}'
)
MESSAGE_OF_0_1 = GOLDEN_MESSAGE.replace('"fence":2', '"first_candidate":16,"attempt":2')
OUTCOME_OF_0_1 = (
    '{"dataset":"demo","slot":{"country_code":"FR","index":3},"attempt":7,"status":"stored",'
    '"location_id":"simulator-p","finished_at":"2026-01-02T03:04:05Z","schema_version":1}'
)


def test_the_wire_format_of_messages_is_stable() -> None:
    request = SlotRequest(
        slot=SlotKey(country_code="FR", index=3),
        candidates=((48.5, 2.25),),
        fence=2,
    )
    message = FetchLocations(dataset="demo", slots=(request,))
    assert message.model_dump_json() == GOLDEN_MESSAGE
    assert FetchLocations.model_validate_json(GOLDEN_MESSAGE) == message


def test_a_message_queued_by_version_0_1_is_read() -> None:
    message = FetchLocations.model_validate_json(MESSAGE_OF_0_1)
    assert message == FetchLocations.model_validate_json(GOLDEN_MESSAGE)


def test_an_outcome_written_by_version_0_1_is_read_and_written_with_its_fence() -> None:
    outcome = SlotOutcome.model_validate_json(OUTCOME_OF_0_1)
    assert outcome.fence == 7
    assert '"fence":7' in outcome.model_dump_json()
    assert '"attempt"' not in outcome.model_dump_json()


@pytest.mark.parametrize("names", [(), ("fence", "attempt"), ("attempts",)], ids=str)
def test_a_fence_is_required_exactly_once(names: tuple[str, ...]) -> None:
    fields = {"slot": {"country_code": "FR", "index": 3}, "candidates": [[48.5, 2.25]]}
    with pytest.raises(ValidationError):
        SlotRequest.model_validate(fields | dict.fromkeys(names, 2))


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "a/b"},
        {"name": "Demo"},
        {"name": "a..b"},
        {"name": ""},
        {"quotas": {}},
        {"quotas": {"FR": 0}},
        {"quotas": {"FR": -1}},
        {"quotas": {"fr": 1}},
        {"headings": (360,)},
        {"headings": (-1,)},
        {"headings": (0, 0)},
        {"headings": ()},
        {"fov": 121},
        {"size": 641},
        {"radius_m": 0},
        {"seed": -1},
        {"colour": "red"},
        {"schema_version": 2},
    ],
    ids=str,
)
def test_an_invalid_spec_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DatasetSpec(**{"name": "demo", "quotas": {"FR": 1}, **wrong})


def test_slot_keys_can_be_parsed_from_their_text() -> None:
    key = SlotKey(country_code="FR", index=12)
    assert SlotKey.parse(str(key)) == key
