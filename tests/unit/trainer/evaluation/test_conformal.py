"""Country sets contain the true country as often as promised."""

import math

import numpy as np
import pytest
from scipy.stats import betabinom

from euguess.images.postprocessing import country_sets, log_softmax
from services.trainer.dataset.view_index import Rows
from services.trainer.evaluation.conformal import set_threshold
from services.trainer.evaluation.metrics import LogProbabilities

COUNTRIES = 10


def draw(rng: np.random.Generator, count: int) -> tuple[LogProbabilities, Rows]:
    """Outputs of a very overconfident network, and labels that it predicts poorly."""
    skill = rng.normal(size=(count, COUNTRIES))
    labels = (1.5 * skill + rng.gumbel(size=skill.shape)).argmax(axis=1)
    return log_softmax(5 * skill), labels


@pytest.mark.parametrize("calibrated_on", [19, 100])
@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_coverage_lies_within_its_bounds(calibrated_on: int, coverage: float) -> None:
    rng = np.random.default_rng(0)
    trials, tested = 600, 200
    shares = np.empty(trials)
    for trial in range(trials):
        threshold = set_threshold(*draw(rng, calibrated_on), coverage=coverage)
        log_probabilities, labels = draw(rng, tested)
        shares[trial] = country_sets(np.exp(log_probabilities), threshold)[
            np.arange(tested), labels
        ].mean()
    # The expectation is between coverage and coverage + 1 / (n + 1); the mean of the trials is
    # within 4 of its standard errors (one of 16,000 such tests fails by chance).
    slack = 4 * shares.std() / np.sqrt(trials)
    assert coverage - slack <= shares.mean() <= coverage + 1 / (calibrated_on + 1) + slack


@pytest.mark.parametrize("coverage", [0.8, 0.9])
@pytest.mark.parametrize("calibrated_on", [9, 50, 199])
def test_the_covered_places_are_beta_binomially_distributed(
    calibrated_on: int, coverage: float
) -> None:
    """Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2021, section 3.2."""
    rng = np.random.default_rng(0)
    trials, tested = 2000, 100
    covered = np.empty(trials)
    for trial in range(trials):
        threshold = set_threshold(*simulated(rng, calibrated_on), coverage=coverage)
        log_probabilities, _ = simulated(rng, tested)
        covered[trial] = country_sets(np.exp(log_probabilities), threshold)[:, 0].sum()
    missed = calibrated_on + 1 - math.ceil((calibrated_on + 1) * coverage - 1e-9)
    exact = betabinom(tested, calibrated_on + 1 - missed, missed)
    for quantile in exact.ppf([0.02, 0.25, 0.5, 0.75, 0.98]):
        expected = exact.cdf(quantile)
        standard_error = np.sqrt(expected * (1 - expected) / trials)
        assert np.mean(covered <= quantile) == pytest.approx(expected, abs=4 * standard_error)


def simulated(rng: np.random.Generator, count: int) -> tuple[LogProbabilities, Rows]:
    """Outputs whose true country, the first of two, has a uniformly drawn probability."""
    own = rng.random(count)
    return np.log(np.stack([own, 1 - own], axis=1)), np.zeros(count, dtype=np.int64)


@pytest.mark.parametrize(
    ("places", "rank"),
    [(9, 9), (10, 10), (18, 18), (19, 18), (29, 27), (99, 90)],
)
def test_the_threshold_is_the_finite_sample_quantile(places: int, rank: int) -> None:
    own = np.linspace(0.5, 0.95, places)
    log_probabilities = np.log(np.stack([own, 1 - own], axis=1))
    labels = np.zeros(places, dtype=np.int64)
    assert set_threshold(log_probabilities, labels) == pytest.approx(own[places - rank])


@pytest.mark.parametrize("places", [1, 8])
def test_too_few_places_put_every_country_into_the_set(places: int) -> None:
    log_probabilities, labels = draw(np.random.default_rng(1), places)
    threshold = set_threshold(log_probabilities, labels)
    assert threshold == 0.0
    assert country_sets(np.exp(log_probabilities), threshold).all()


def test_the_likeliest_country_is_always_in_the_set() -> None:
    sets = country_sets(np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]]), 0.9)
    assert sets.tolist() == [[True, False, False], [False, False, True]]


def test_equally_likely_countries_are_in_the_set_together() -> None:
    sets = country_sets(np.array([[0.4, 0.4, 0.2]]), 0.4)
    assert sets.tolist() == [[True, True, False]]


def test_a_certain_and_right_network_gives_sets_of_one_country() -> None:
    sure = np.log(np.full((20, 3), 1e-6) + np.eye(3)[np.zeros(20, dtype=np.int64)])
    threshold = set_threshold(log_softmax(sure), np.zeros(20, dtype=np.int64))
    assert country_sets(np.exp(log_softmax(sure)), threshold).sum(axis=1).tolist() == [1] * 20
