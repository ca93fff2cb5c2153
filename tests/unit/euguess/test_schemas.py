"""Messages: what is refused, and that their JSON stays as it is."""

from typing import Any

import pytest
from pydantic import ValidationError

from euguess.messages.collection import (
    DatasetSpec,
    FetchLocations,
    SlotKey,
    SlotRequest,
)

GOLDEN_MESSAGE = (
    '{"dataset":"demo","slots":[{"slot":{"country_code":"FR","index":3},'
    '"candidates":[[48.5,2.25]],"first_candidate":16,"attempt":2}],"schema_version":1}'
)


def test_the_wire_form_of_a_message_does_not_change_unnoticed() -> None:
    request = SlotRequest(
        slot=SlotKey(country_code="FR", index=3),
        candidates=((48.5, 2.25),),
        first_candidate=16,
        attempt=2,
    )
    message = FetchLocations(dataset="demo", slots=(request,))
    assert message.model_dump_json() == GOLDEN_MESSAGE
    assert FetchLocations.model_validate_json(GOLDEN_MESSAGE) == message


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
def test_a_wrong_spec_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        DatasetSpec(**{"name": "demo", "quotas": {"FR": 1}, **wrong})


def test_slot_keys_survive_their_text_form() -> None:
    key = SlotKey(country_code="FR", index=12)
    assert SlotKey.parse(str(key)) == key
