"""Metrics agree with scikit-learn on random inputs; fusion agrees with a plain loop."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.images.postprocessing import log_softmax
from services.trainer.errors import Diverged
from services.trainer.evaluation.metrics import (
    confusion_matrix,
    country_table,
    errors_km,
    fuse_views,
    geoscores,
    is_near,
    is_top,
    macro_recall,
    negative_log_likelihoods,
    require_finite,
)

COUNTRIES = 7
seeds = st.integers(0, 10_000)


def sample(seed: int, count: int = 60) -> tuple[Any, Any]:
    """Log-probabilities (count, COUNTRIES) and labels that lean towards the likeliest."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, COUNTRIES))
    labels = np.where(
        rng.random(count) < 0.5, logits.argmax(1), rng.integers(COUNTRIES, size=count)
    )
    return log_softmax(logits), labels


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_accuracies_and_nll_agree_with_scikit_learn(seed: int) -> None:
    log_probabilities, labels = sample(seed)
    every = np.arange(COUNTRIES)
    for k in (1, 5):
        ours = is_top(log_probabilities, labels, k).mean()
        theirs = reference.top_k_accuracy_score(labels, log_probabilities, k=k, labels=every)
        assert ours == pytest.approx(theirs)
    nll = negative_log_likelihoods(log_probabilities, labels).mean()
    assert nll == pytest.approx(reference.log_loss(labels, np.exp(log_probabilities), labels=every))


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_confusion_and_the_country_table_agree_with_scikit_learn(seed: int) -> None:
    log_probabilities, labels = sample(seed, count=25)
    predictions = log_probabilities.argmax(axis=1)
    every = np.arange(COUNTRIES)
    confusion = confusion_matrix(labels, predictions, COUNTRIES)
    assert np.array_equal(confusion, reference.confusion_matrix(labels, predictions, labels=every))
    precision, recall, f1, support = reference.precision_recall_fscore_support(
        labels, predictions, labels=every, zero_division=0
    )
    table = country_table(confusion)
    np.testing.assert_allclose([row.precision for row in table], precision)
    np.testing.assert_allclose([row.recall for row in table], recall)
    np.testing.assert_allclose([row.f1 for row in table], f1)
    assert [row.support for row in table] == support.tolist()


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_macro_recall_equals_scikit_learns_balanced_accuracy(seed: int) -> None:
    _, labels = sample(seed)
    predictions = labels[np.random.default_rng(seed).permutation(len(labels))]  # same classes
    ours = macro_recall(confusion_matrix(labels, predictions, COUNTRIES))
    assert ours == pytest.approx(reference.balanced_accuracy_score(labels, predictions))


def test_a_country_without_samples_does_not_lower_macro_recall() -> None:
    confusion = confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)
    assert macro_recall(confusion) == pytest.approx((0.5 + 1) / 2)


def test_all_metrics_break_ties_in_favour_of_the_lowest_label() -> None:
    labels = np.array([0, 1, 2, 3])
    flat = np.full((4, 4), np.log(0.25))
    hits = is_top(flat, labels, 1)
    confusion = confusion_matrix(labels, flat.argmax(axis=1), 4)
    assert hits.tolist() == [True, False, False, False]
    assert hits.mean() == confusion.diagonal().sum() / 4 == macro_recall(confusion)
    assert is_top(flat, labels, 3).tolist() == [True, True, True, False]


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_the_first_country_is_the_one_that_argmax_names_even_with_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    log_probabilities = log_softmax(rng.integers(0, 3, (60, COUNTRIES)).astype(np.float64))
    labels = rng.integers(COUNTRIES, size=60)
    named = log_probabilities.argmax(axis=1)
    assert np.array_equal(is_top(log_probabilities, labels, 1), named == labels)


@pytest.mark.parametrize("broken", [[np.nan, np.nan], [0.0, np.nan], [np.nan, 0.0]])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_nan_is_never_a_hit(broken: list[float], k: int) -> None:
    assert not is_top(np.array([broken, broken]), np.array([0, 1]), k).any()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_outputs_that_are_not_numbers_are_an_error(value: float) -> None:
    require_finite(np.zeros((3, 2)), "The outputs")
    with pytest.raises(Diverged, match=r"The outputs .* 1 of 3 .*learning_rate"):
        require_finite(np.array([[0.0, 1.0], [value, 0.0], [1.0, 1.0]]), "The outputs")


def test_errors_are_great_circle_distances_to_the_predicted_centroid() -> None:
    centroids = np.array([[46.6, 2.5], [52.1, 19.4]])  # France, Poland
    lats, lons = np.array([48.85, 48.85]), np.array([2.35, 2.35])
    found = errors_km(lats, lons, np.array([0, 1]), centroids)
    paris = Coordinate(48.85, 2.35)
    expected = [great_circle_km(paris, Coordinate(*place)) for place in centroids.tolist()]
    assert found.tolist() == pytest.approx(expected)
    assert is_near(found).tolist() == [True, False]


@pytest.mark.parametrize(
    ("km", "points"), [(0, 5000), (1492.7 * np.log(2), 2500), (1492.7, 1839.397), (1e9, 0)]
)
def test_geoscore_falls_by_a_factor_of_e_each_1492_7_km(km: float, points: float) -> None:
    assert geoscores(np.array([km]))[0] == pytest.approx(points, abs=1e-3)


# 5000 exp(-d / 1492.7) as PIGEON and OpenStreetView-5M publish it, at the radii that both report
# (street, city, region, country, continent), by decimal arithmetic.
@pytest.mark.parametrize(
    ("km", "points"), [(1, 4996.65), (25, 4916.96), (200, 4373.01), (750, 3025.25), (2500, 936.71)]
)
def test_geoscore_at_the_published_radii_is_as_published(km: float, points: float) -> None:
    assert geoscores(np.array([km]))[0] == pytest.approx(points, abs=0.01)


@given(seed=seeds, views=st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_fusion_averages_the_first_views_of_each_location(seed: int, views: int) -> None:
    log_probabilities, _ = sample(seed, count=30)
    ids = np.random.default_rng(seed).choice(["a", "b", "c", "dd"], size=30)
    fused = fuse_views(log_probabilities, ids, views=views)
    for row, name in enumerate(fused.location_ids):
        rows = np.flatnonzero(ids == name)
        mean = log_probabilities[rows[:views]].mean(axis=0)
        expected = mean - np.log(np.exp(mean).sum())
        np.testing.assert_allclose(fused.log_probabilities[row], expected)
        assert fused.first_rows[row] == rows[0]
    assert fused.location_ids.tolist() == sorted(set(ids.tolist()))


def test_fusing_one_view_of_one_per_location_changes_nothing() -> None:
    log_probabilities, _ = sample(1, count=5)
    fused = fuse_views(log_probabilities, np.array(list("abcde")), views=3)
    np.testing.assert_allclose(fused.log_probabilities, log_probabilities)


def test_log_softmax_survives_huge_logits() -> None:
    assert log_softmax(np.array([[1e4, 0.0]])).tolist() == [[0.0, -1e4]]
