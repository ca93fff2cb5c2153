"""Risk-coverage curves and the threshold below which the model abstains."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euguess.images.postprocessing import is_answered
from services.trainer.evaluation.abstention import ALWAYS_ABSTAIN, abstain_threshold, risk_coverage

TEN = np.linspace(0.95, 0.5, 10)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_the_curve_agrees_with_a_loop_over_thresholds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.choice(np.linspace(0.1, 1, 12), size=40)  # with ties
    hits = rng.random(40) < confidence
    curve = risk_coverage(confidence, hits)
    assert curve.confidence.tolist() == sorted(set(confidence.tolist()), reverse=True)
    for threshold, coverage, accuracy in zip(
        curve.confidence, curve.coverage, curve.accuracy, strict=True
    ):
        answered = confidence >= threshold
        assert coverage == pytest.approx(answered.mean())
        assert accuracy == pytest.approx(hits[answered].mean())


@pytest.mark.parametrize(
    ("hits", "threshold"),
    [
        ([1] * 10, 0.5),  # perfect: all are answered
        ([1] * 9 + [0], 0.5),  # 90 % are enough
        ([1] * 8 + [0, 1], 0.5),
        ([1] * 8 + [0, 0], 0.6),  # 8 of 8, then 8 of 9
        ([0] + [1] * 9, 0.5),  # the last place makes up for a confident error
        ([0] * 10, ALWAYS_ABSTAIN),
        ([0] + [1] * 8 + [0], ALWAYS_ABSTAIN),
    ],
)
def test_the_threshold_answers_as_many_as_possible_at_90_percent(
    hits: list[int], threshold: float
) -> None:
    found = abstain_threshold(TEN, np.array(hits, dtype=np.bool_))
    assert found == pytest.approx(threshold)


def test_equally_confident_places_are_answered_together_or_not_at_all() -> None:
    confidence = np.array([0.9, 0.7, 0.7])
    assert abstain_threshold(confidence, np.array([True, True, False])) == 0.9
    assert abstain_threshold(np.full(3, 0.7), np.array([True, True, False])) == ALWAYS_ABSTAIN


@pytest.mark.parametrize(("hit", "threshold"), [(True, 0.4), (False, ALWAYS_ABSTAIN)])
def test_one_place_decides_alone(*, hit: bool, threshold: float) -> None:
    assert abstain_threshold(np.array([0.4]), np.array([hit])) == threshold


def test_a_probability_rounded_from_1_does_not_cause_abstention() -> None:
    assert is_answered(np.array([1 - 1e-12, 0.5]), 1.0).tolist() == [True, False]
    assert not is_answered(np.array([1.0]), ALWAYS_ABSTAIN)[0]


def test_the_area_is_0_for_a_perfect_model_and_the_error_rate_for_an_uninformative_one() -> None:
    assert risk_coverage(TEN, np.ones(10, dtype=np.bool_)).area == 0
    hits = np.arange(10) < 3
    assert risk_coverage(np.full(10, 0.5), hits).area == pytest.approx(0.7)


def test_a_thinned_curve_keeps_its_end() -> None:
    confidence = np.random.default_rng(0).random(5000)
    curve = risk_coverage(confidence, confidence > 0.5)
    thinned = curve.thinned(100)
    assert len(thinned.confidence) == 100
    assert thinned.coverage[-1] == 1.0
    assert curve.thinned(10_000).confidence.tolist() == curve.confidence.tolist()
