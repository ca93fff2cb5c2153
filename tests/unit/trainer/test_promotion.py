"""Who may become champion."""

from dataclasses import replace

import pytest

from services.trainer.registry import Candidate, judge

HONEST = Candidate(
    version="2",
    run_id="run",
    dataset="demo",
    manifest_digest="0" * 64,
    protocol="location",
    accuracy=0.5,
    is_honest=True,
)
LEAKY = replace(HONEST, protocol="image", is_honest=False, accuracy=0.9)


def champion(accuracy: float = 0.4) -> Candidate:
    return replace(HONEST, version="1", accuracy=accuracy)


@pytest.mark.parametrize(
    ("candidate", "present", "is_promoted", "said"),
    [
        (HONEST, None, True, "first champion"),
        (HONEST, champion(0.4), True, "50.0% against the champion's 40.0%"),
        (HONEST, champion(0.5), False, "50.0% against the champion's 50.0%"),
        (HONEST, champion(0.6), False, "50.0% against the champion's 60.0%"),
        (HONEST, HONEST, True, "already"),
        (LEAKY, None, False, "leaky image split"),
        (LEAKY, champion(0.4), False, "leaky image split"),
        (HONEST, replace(LEAKY, version="1"), True, "no honest figure"),
        (HONEST, replace(champion(), dataset="real"), False, "cannot be compared"),
        (HONEST, replace(champion(), protocol="location+buffer"), False, "cannot be compared"),
    ],
)
def test_only_a_better_honest_model_replaces_the_champion(
    candidate: Candidate, present: Candidate | None, is_promoted: bool, said: str
) -> None:
    verdict = judge(candidate, present)
    assert verdict.is_promoted is is_promoted
    assert said in verdict.reason
