"""Temperature, Brier score and calibration error against scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from euguess.images.postprocessing import log_softmax, tempered
from services.trainer.dataset.view_index import Rows
from services.trainer.evaluation.calibration import (
    HIGHEST_TEMPERATURE,
    brier_scores,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from services.trainer.evaluation.metrics import (
    LogProbabilities,
    fuse_views,
    negative_log_likelihoods,
)

COUNTRIES = 7
EVERY = np.arange(COUNTRIES)
seeds = st.integers(0, 10_000)


def sample(seed: int, count: int = 200, scale: float = 1.0) -> tuple[LogProbabilities, Rows]:
    """Calibrated log-probabilities with labels drawn from them, made `scale` times as sharp."""
    rng = np.random.default_rng(seed)
    honest = log_softmax(rng.normal(scale=2.0, size=(count, COUNTRIES)))
    labels = (honest + rng.gumbel(size=honest.shape)).argmax(axis=1)
    return log_softmax(scale * honest), labels


def sure_of(count: int, logit: float) -> LogProbabilities:
    """Outputs of a network that always names the first country."""
    return log_softmax(np.tile(logit * (EVERY == 0), (count, 1)))


def nll(log_probabilities: LogProbabilities, labels: Rows) -> float:
    return float(negative_log_likelihoods(log_probabilities, labels).mean())


@given(seed=seeds, scale=st.floats(0.2, 5))
@settings(max_examples=25, deadline=None)
def test_the_fitted_temperature_has_the_lowest_log_loss_of_a_grid(seed: int, scale: float) -> None:
    log_probabilities, labels = sample(seed, scale=scale)
    found = fit_temperature(log_probabilities, labels, prior_samples=0)
    best = log_loss(labels, np.exp(tempered(log_probabilities, found)), labels=EVERY)
    grid = [nll(tempered(log_probabilities, t), labels) for t in np.geomspace(0.05, 20, 200)]
    assert best <= min(grid) + 1e-9


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_the_temperature_undoes_a_wrong_sharpness(scale: float) -> None:
    log_probabilities, labels = sample(1, count=20_000, scale=scale)
    assert fit_temperature(log_probabilities, labels) == pytest.approx(scale, rel=0.05)
    healed = tempered(log_probabilities, fit_temperature(log_probabilities, labels))
    assert expected_calibration_error(healed, labels) < 0.015


def test_a_temperature_keeps_the_order_of_countries() -> None:
    log_probabilities, _ = sample(2, scale=3.0)
    order = np.argsort(log_probabilities, axis=1)
    assert np.array_equal(order, np.argsort(tempered(log_probabilities, 2.7), axis=1))


def test_all_right_places_raise_confidence_but_not_to_certainty() -> None:
    log_probabilities, _ = sample(3, count=30)
    found = fit_temperature(log_probabilities, log_probabilities.argmax(axis=1))
    assert 0.05 < found < 1
    assert fit_temperature(sure_of(30, 20.0), np.zeros(30, dtype=np.int64)) > 1


@pytest.mark.parametrize("count", [1, 6, 30])
def test_n_right_places_claim_the_accuracy_of_n_and_a_random_one(count: int) -> None:
    outputs = sure_of(count, 20.0)
    claimed = np.exp(tempered(outputs, fit_temperature(outputs, np.zeros(count, dtype=np.int64))))
    assert claimed[:, 0].mean() == pytest.approx((count + 1 / COUNTRIES) / (count + 1), abs=1e-3)


def test_all_wrong_places_give_the_highest_temperature() -> None:
    log_probabilities, _ = sample(4, count=30)
    found = fit_temperature(log_probabilities, log_probabilities.argmin(axis=1))
    assert found == pytest.approx(HIGHEST_TEMPERATURE, rel=0.01)


@pytest.mark.parametrize("count", [1, 2])
def test_one_place_or_flat_outputs_give_a_finite_temperature(count: int) -> None:
    for row in ([0.0, 0.0, 0.0], [2.0, 1.0, 0.0]):
        flat = log_softmax(np.array([row] * count))
        found = fit_temperature(flat, np.zeros(count, dtype=np.int64))
        assert 1 / HIGHEST_TEMPERATURE <= found <= HIGHEST_TEMPERATURE


def test_temperature_and_fusion_can_be_applied_in_either_order() -> None:
    log_probabilities, _ = sample(5, count=12)
    ids = np.repeat(["a", "b", "c", "d"], 3)
    after = tempered(fuse_views(log_probabilities, ids, views=3).log_probabilities, 1.7)
    before = fuse_views(tempered(log_probabilities, 1.7), ids, views=3).log_probabilities
    np.testing.assert_allclose(before, after)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_brier_score_agrees_with_scikit_learn(seed: int) -> None:
    log_probabilities, labels = sample(seed, count=50)
    theirs = brier_score_loss(labels, np.exp(log_probabilities), labels=EVERY, scale_by_half=False)
    assert brier_scores(log_probabilities, labels).mean() == pytest.approx(theirs)


@pytest.mark.parametrize(("label", "score"), [(0, 0.0), (1, 2.0)])
def test_the_brier_score_is_0_for_certain_and_right_and_2_for_certain_and_wrong(
    label: int, score: float
) -> None:
    sure = np.log(np.array([[1 - 1e-15, 1e-15]]))
    assert brier_scores(sure, np.array([label]))[0] == pytest.approx(score)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_reliability_bins_agree_with_scikit_learns_calibration_curve(seed: int) -> None:
    log_probabilities, labels = sample(seed, count=300)
    confidence = np.exp(log_probabilities.max(axis=1))
    hits = log_probabilities.argmax(axis=1) == labels
    accuracy, mean_confidence = calibration_curve(hits, confidence, n_bins=15)
    found = reliability(log_probabilities, labels)
    assert [row.accuracy for row in found] == pytest.approx(accuracy)
    assert [row.confidence for row in found] == pytest.approx(mean_confidence)
    assert sum(row.samples for row in found) == 300
    assert all(row.low < row.confidence <= row.high for row in found)


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_calibration_error_agrees_with_a_loop_over_bins(seed: int) -> None:
    log_probabilities, labels = sample(seed)
    confidence, hits = np.exp(log_probabilities.max(1)), log_probabilities.argmax(1) == labels
    expected = 0.0
    for low in np.arange(15) / 15:
        inside = (confidence > low) & (confidence <= low + 1 / 15)
        if inside.any():
            expected += abs(hits[inside].mean() - confidence[inside].mean()) * inside.mean()
    assert expected_calibration_error(log_probabilities, labels) == pytest.approx(expected)


def test_calibration_error_is_0_for_certain_and_right_and_1_for_certain_and_wrong() -> None:
    sure = np.log(np.array([[1 - 1e-12, 1e-12]] * 5))
    assert expected_calibration_error(sure, np.zeros(5, dtype=np.int64)) == pytest.approx(0)
    assert expected_calibration_error(sure, np.ones(5, dtype=np.int64)) == pytest.approx(1)
