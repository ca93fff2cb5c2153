"""Calibration by number of views: fitted on one draw of places, measured on another."""

from typing import NamedTuple

import numpy as np
import pytest

from euguess.images.postprocessing import calibration_for, log_softmax
from euguess.training.report import Certainty
from services.trainer.dataset.view_index import Rows, Strings
from services.trainer.errors import Diverged
from services.trainer.evaluation.certainty import fit_calibration, measure_certainty
from services.trainer.evaluation.metrics import LogProbabilities

COUNTRIES = 8
SURENESS = 4.0  # factor by which the logits are too large
VIEWS = 3


class Outputs(NamedTuple):
    """One row per view."""

    log_probabilities: LogProbabilities
    labels: Rows
    location_ids: Strings


def draw(seed: int, locations: int, views: int = VIEWS) -> Outputs:
    """Outputs of an overconfident network; views of a place share half of their evidence."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(COUNTRIES, size=locations)
    place = rng.normal(size=(locations, 1, COUNTRIES))
    evidence = place + rng.normal(size=(locations, views, COUNTRIES))
    evidence[np.arange(locations), :, labels] += 2
    logits = SURENESS * evidence.reshape(-1, COUNTRIES)
    ids = np.repeat([f"l{number:05}" for number in range(locations)], views)
    return Outputs(log_softmax(logits), np.repeat(labels, views), ids)


def test_predictions_that_are_not_numbers_are_an_error() -> None:
    good = draw(1, 20)
    broken = good.log_probabilities.copy()
    broken[5] = np.nan
    with pytest.raises(Diverged):
        fit_calibration(broken, good.labels, good.location_ids)
    with pytest.raises(Diverged):
        measure_certainty(broken, good.labels, good.location_ids, fit_calibration(*good))


@pytest.fixture(scope="module")
def measured() -> tuple[Certainty, ...]:
    return measure_certainty(*draw(1, 1500), fit_calibration(*draw(0, 1500)))


def test_probabilities_are_better_after_calibration_than_before(
    measured: tuple[Certainty, ...],
) -> None:
    for row in measured:
        assert row.nll.high < row.uncalibrated_nll.low
        assert row.ece < 0.05 < row.uncalibrated_ece


def test_fused_views_have_a_lower_temperature_than_single_ones(
    measured: tuple[Certainty, ...],
) -> None:
    first, _, last = (row.calibration.temperature for row in measured)
    assert 1 < last < 0.9 * first


def test_sets_cover_90_percent_of_new_places_and_shrink_with_more_views(
    measured: tuple[Certainty, ...],
) -> None:
    for row in measured:
        assert row.set_coverage.low <= 0.9 <= row.set_coverage.high + 0.02
    assert measured[-1].set_size.high < measured[0].set_size.low


def test_about_90_percent_of_given_answers_are_right(measured: tuple[Certainty, ...]) -> None:
    for row in measured:
        assert row.answered_accuracy is not None
        # The standard error is 0.02, half of it from the places used to fit the threshold.
        assert row.answered_accuracy.value == pytest.approx(0.9, abs=0.06)
    assert measured[-1].answered.low > measured[0].answered.high


def test_the_curve_ends_with_all_places(measured: tuple[Certainty, ...]) -> None:
    for row in measured:
        assert row.risk_coverage[-1].coverage == 1.0
        assert len(row.risk_coverage) == 100
        assert 0 < row.risk_coverage_area < 1 - row.risk_coverage[-1].accuracy


def test_thresholds_of_one_view_do_not_hold_for_three() -> None:
    one_view = fit_calibration(*draw(0, 1500))[:1]
    (_, _, last) = measure_certainty(*draw(1, 1500), one_view)
    assert last.calibration.views == 1
    assert last.ece > 0.03  # underconfident: coverage holds, but sets are larger than needed
    assert last.set_coverage.low > 0.9


def test_each_number_of_views_is_fitted_on_places_with_that_many() -> None:
    few, many = draw(0, 20, views=1), draw(1, 30, views=3)
    ids = np.concatenate([few.location_ids, np.char.add("m", many.location_ids)])
    log_probabilities = np.concatenate([few.log_probabilities, many.log_probabilities])
    labels = np.concatenate([few.labels, many.labels])
    found = fit_calibration(log_probabilities, labels, ids)
    assert [(one.views, one.locations) for one in found] == [(1, 50), (2, 30), (3, 30)]
    assert found[1:] == fit_calibration(*many)[1:]


@pytest.mark.parametrize(("views", "used"), [(1, 1), (2, 2), (3, 3), (8, 3)])
def test_more_views_than_calibrated_use_the_largest_calibrated_number(
    views: int, used: int
) -> None:
    assert calibration_for(fit_calibration(*draw(0, 20)), views).views == used


def test_a_single_place_and_a_perfect_network_can_be_calibrated() -> None:
    for locations in (1, 12):
        outputs = draw(0, locations)
        perfect = outputs._replace(labels=outputs.log_probabilities.argmax(axis=1))
        for row in measure_certainty(*perfect, fit_calibration(*perfect)):
            assert row.set_coverage.value == 1.0
            assert row.locations == locations


def test_a_network_that_never_reaches_90_percent_answers_nothing() -> None:
    outputs = draw(0, 30)
    wrong = outputs._replace(labels=outputs.log_probabilities.argmin(axis=1))
    for row in measure_certainty(*wrong, fit_calibration(*wrong)):
        assert row.answered.value == 0.0
        assert row.answered_accuracy is None
        assert "answered_accuracy" not in row.intervals


def test_nothing_is_measured_without_a_calibration() -> None:
    assert measure_certainty(*draw(0, 5), ()) == ()
