"""Who may become champion."""

from dataclasses import replace

import pytest

from euguess.errors import InvalidInput
from euguess.promotion import Nomination
from euguess.registry import Candidate
from euguess.schemas import Interval
from euguess.verdict import Contest, faulty, forced, judge, leaky, unrivalled

CANDIDATE = Candidate(
    version="2",
    run_id="run",
    dataset="demo",
    manifest_digest="0" * 64,
    protocol="location",
    accuracy=0.5,
    is_honest=True,
)
CHAMPION = replace(CANDIDATE, version="1", accuracy=0.9)
HALF = Interval(value=0.5, low=0.4, high=0.6)


def contest(low: float, high: float) -> Contest:
    difference = Interval(value=(low + high) / 2, low=low, high=high)
    return Contest(
        dataset="demo",
        manifest_digest="0" * 64,
        places=64,
        challenger=HALF,
        champion=HALF,
        difference=difference,
    )


@pytest.mark.parametrize(
    ("low", "high", "is_promoted"),
    [
        (0.01, 0.09, True),
        (0.0, 0.1, False),  # zero itself is not excluded
        (-0.02, 0.3, False),
        (-0.1, -0.02, False),
    ],
)
def test_the_interval_of_the_difference_must_lie_above_zero(
    low: float, high: float, is_promoted: bool
) -> None:
    assert judge(CANDIDATE, CHAMPION, contest(low, high)).is_promoted is is_promoted


def test_a_verdict_names_versions_places_and_interval() -> None:
    reason = judge(CANDIDATE, CHAMPION, contest(0.01, 0.09)).reason
    for said in ("version 2 is better", "version 1", "64 places new to both", "+5.0 [+1.0, +9.0]"):
        assert said in reason


def test_the_first_honest_model_needs_no_rival_and_a_leaky_one_is_refused() -> None:
    assert unrivalled(CANDIDATE).is_promoted
    refused = leaky(replace(CANDIDATE, protocol="image", is_honest=False))
    assert not refused.is_promoted
    assert "leaky image split" in refused.reason


def test_a_model_with_faults_is_refused_naming_them() -> None:
    refused = faulty(replace(CANDIDATE, faults=("no_shuffling", "no_validation")))
    assert not refused.is_promoted
    assert "no_shuffling, no_validation" in refused.reason


def test_force_keeps_what_was_found_against_it() -> None:
    verdict = forced(judge(CANDIDATE, CHAMPION, contest(-0.1, 0.1)))
    assert verdict.is_promoted
    assert "by force, although version 2 is not shown to be better" in verdict.reason
    assert verdict.contest == contest(-0.1, 0.1)


def test_force_without_a_reason_is_refused() -> None:
    with pytest.raises(InvalidInput, match="--reason"):
        Nomination(CANDIDATE, is_forced=True, reason=" ")
