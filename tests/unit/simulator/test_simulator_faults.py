import pytest
from pydantic import ValidationError

from euguess.errors import InvalidInput
from services.simulator.faults import (
    METADATA_MODES,
    PICTURE_MODES,
    REQUEST_MODES,
    Endpoint,
    FaultMode,
    FaultRule,
    FaultScript,
    parse_fault,
)

METADATA, IMAGE = Endpoint.METADATA, Endpoint.IMAGE


def applies(script: FaultScript, mode: FaultMode, subject: str, endpoint: Endpoint = IMAGE) -> bool:
    return script.apply(frozenset({mode}), endpoint, subject) is not None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("slow", FaultRule(mode=FaultMode.SLOW)),
        ("denied=3", FaultRule(mode=FaultMode.DENIED, count=3)),
        ("500_then_ok=2.5%", FaultRule(mode=FaultMode.SERVER_ERROR_THEN_OK, fraction=0.025)),
        ("slow=10%@image", FaultRule(mode=FaultMode.SLOW, fraction=0.1, endpoint=IMAGE)),
        ("html_200@metadata", FaultRule(mode=FaultMode.HTML_200, endpoint=METADATA)),
    ],
)
def test_faults_are_parsed_from_a_command_line(text: str, rule: FaultRule) -> None:
    assert parse_fault(text) == rule


@pytest.mark.parametrize(
    "text",
    ["", "sloow", "slow=", "slow=0", "slow=101%", "slow=-1", "slow@there", "far_pano@image",
     "placeholder@metadata"],
)  # fmt: skip
def test_an_invalid_fault_is_rejected(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a fault"):
        parse_fault(text)


def test_a_rule_has_a_count_or_a_fraction_but_not_both() -> None:
    with pytest.raises(ValidationError, match="not both"):
        FaultRule(mode=FaultMode.SLOW, count=1, fraction=0.5)


def test_each_mode_applies_at_one_stage() -> None:
    stages = [REQUEST_MODES, METADATA_MODES, PICTURE_MODES]
    special = {FaultMode.SLOW, FaultMode.STALE_PANO_ID}
    assert sum(map(len, stages)) + len(special) == len(FaultMode)
    assert set(FaultMode) == special.union(*stages)


def test_a_count_limits_how_often_a_rule_applies() -> None:
    script = FaultScript((parse_fault("denied=2"),))
    assert [applies(script, FaultMode.DENIED, f"{i}") for i in range(4)] == [
        True,
        True,
        False,
        False,
    ]
    assert script.as_json()[0]["applied"] == 2


def test_a_fraction_applies_to_the_same_requests_again() -> None:
    script = FaultScript((parse_fault("slow=20%"),))
    first = [applies(script, FaultMode.SLOW, f"{i}") for i in range(1000)]
    assert first == [applies(script, FaultMode.SLOW, f"{i}") for i in range(1000)]
    assert sum(first) == pytest.approx(200, abs=40)  # three standard deviations


def test_a_request_with_a_then_ok_fault_succeeds_when_repeated() -> None:
    script = FaultScript((parse_fault("500_then_ok=100%"),))
    applied = [applies(script, FaultMode.SERVER_ERROR_THEN_OK, s) for s in ("a", "a", "b", "a")]
    assert applied == [True, False, True, False]


def test_a_rule_for_one_endpoint_does_not_apply_to_the_other() -> None:
    script = FaultScript((parse_fault("denied@metadata"),))
    assert applies(script, FaultMode.DENIED, "a", METADATA)
    assert not applies(script, FaultMode.DENIED, "a", IMAGE)


def test_a_cleared_script_has_no_rules() -> None:
    script = FaultScript((parse_fault("denied"),))
    script.clear()
    assert not applies(script, FaultMode.DENIED, "a")
