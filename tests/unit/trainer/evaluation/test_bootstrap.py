"""Bootstrap intervals: correct centre and width, whole locations drawn, reproducible."""

import numpy as np
import pytest

from services.trainer.evaluation.bootstrap import (
    Bootstrap,
    bootstrap_interval,
    macro_recall_interval,
    median_interval,
    paired_difference,
)

QUICK = Bootstrap(resamples=1000)


def names(locations: int, views: int) -> np.ndarray:
    return np.repeat([f"l{i:04}" for i in range(locations)], views)


def test_the_interval_of_a_mean_has_the_width_of_its_standard_error() -> None:
    hits = np.random.default_rng(0).random(900) < 0.3
    found = bootstrap_interval(hits, names(900, 1), bootstrap=QUICK)
    half = 1.96 * np.sqrt(found.value * (1 - found.value) / 900)
    assert found.value == hits.mean()
    assert found.high - found.value == pytest.approx(half, rel=0.15)
    assert found.value - found.low == pytest.approx(half, rel=0.15)


def test_identical_views_of_a_location_do_not_narrow_the_interval() -> None:
    hits = np.random.default_rng(1).random(300) < 0.5
    single = bootstrap_interval(hits, names(300, 1), bootstrap=QUICK)
    tripled = bootstrap_interval(np.repeat(hits, 3), names(300, 3), bootstrap=QUICK)
    assert (tripled.low, tripled.high) == pytest.approx((single.low, single.high))


def test_about_95_of_100_intervals_contain_the_truth() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        skill = np.repeat(rng.random(80), 3)  # views of a location share their difficulty
        hits = rng.random(240) < skill
        interval = bootstrap_interval(hits, names(80, 3), bootstrap=Bootstrap(resamples=300))
        held += interval.low <= 0.5 <= interval.high
    assert 178 <= held <= 199  # 190 expected, standard deviation 3.1, with room for percentile bias


def test_the_paired_difference_of_similar_models_is_narrower_than_either_interval() -> None:
    rng = np.random.default_rng(3)
    first = rng.random(500) < 0.5
    second = first ^ (rng.random(500) < 0.05)
    alone = bootstrap_interval(first, names(500, 1), bootstrap=QUICK)
    paired = paired_difference(first, second, names(500, 1), bootstrap=QUICK)
    assert paired.value == pytest.approx(first.mean() - second.mean())
    assert paired.high - paired.low < 0.6 * (alone.high - alone.low)


def test_a_model_does_not_differ_from_itself() -> None:
    hits = np.arange(30) % 2
    found = paired_difference(hits, hits, names(10, 3), bootstrap=QUICK)
    assert (found.value, found.low, found.high) == (0, 0, 0)


def test_macro_recall_weights_countries_equally() -> None:
    labels = np.array([0] * 90 + [1] * 10)
    hits = np.array([1] * 90 + [0] * 10)
    found = macro_recall_interval(hits, labels, names(100, 1), bootstrap=QUICK)
    assert (found.value, found.low, found.high) == (0.5, 0.5, 0.5)


def test_the_median_is_numpys_for_an_odd_number_and_lies_in_its_interval() -> None:
    distances = np.random.default_rng(4).exponential(500, size=301)
    found = median_interval(distances, names(301, 1), bootstrap=QUICK)
    assert found.value == np.median(distances)
    assert found.low < found.value < found.high


def test_a_seed_is_reproducible_and_another_seed_differs() -> None:
    values = np.random.default_rng(5).random(50)
    first, again, other = (
        bootstrap_interval(values, names(50, 1), bootstrap=Bootstrap(resamples=200, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_chunks_do_not_change_the_result() -> None:
    values = np.random.default_rng(6).random(50)
    whole, parts = (
        bootstrap_interval(values, names(50, 1), bootstrap=Bootstrap(cells_at_once=cells))
        for cells in (10**6, 500)
    )
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high))
