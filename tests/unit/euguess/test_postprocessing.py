"""Postprocessing of network outputs, shared by trainer and model archives."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import special

from euguess.images.postprocessing import calibration_for, country_sets, is_answered, log_softmax


@dataclass(frozen=True)
class _Fitted:
    views: int
    name: str = ""


@pytest.mark.parametrize(("views", "chosen"), [(1, 1), (2, 1), (3, 3), (4, 3), (8, 8), (9, 8)])
def test_the_next_lower_number_of_views_is_used(views: int, chosen: int) -> None:
    calibrations = [_Fitted(3), _Fitted(1), _Fitted(8)]
    assert calibration_for(calibrations, views).views == chosen


def test_the_first_of_two_calibrations_for_the_same_views_is_used() -> None:
    assert calibration_for([_Fitted(1, "fitted"), _Fitted(1, "default")], 2).name == "fitted"


def test_country_sets_are_the_same_for_one_location_and_for_many() -> None:
    probabilities = np.random.default_rng(1).dirichlet(np.ones(26), 100)
    sets = country_sets(probabilities, 0.1)
    alone = [country_sets(row, 0.1) for row in probabilities]
    np.testing.assert_array_equal(sets, np.stack(alone))


def test_a_probability_equal_to_the_threshold_up_to_rounding_does_not_abstain() -> None:
    assert is_answered(0.9 - 1e-12, 0.9)
    assert not is_answered(0.9 - 1e-6, 0.9)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_softmax_agrees_with_scipy(dtype: type[np.floating]) -> None:
    logits = np.random.default_rng(1).normal(0, 30, (200, 26)).astype(dtype)
    expected = special.log_softmax(logits.astype(np.float64), axis=-1)
    np.testing.assert_allclose(log_softmax(logits), expected, rtol=1e-13)
