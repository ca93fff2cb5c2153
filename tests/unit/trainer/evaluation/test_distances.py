"""Errors in km of predicted countries, with known, unknown and few positions."""

from dataclasses import replace

import numpy as np
import pytest

from euguess.geography.boundaries import load_boundaries
from euguess.geography.locations import Coordinate
from services.trainer.dataset.proximity import distances_km
from services.trainer.evaluation.distances import country_centres, distance_metrics
from services.trainer.loading.split_data import subset
from tests.support.tiny_training import COUNTRIES, tiny_index

CENTRES = country_centres(COUNTRIES)


def test_the_centre_of_a_country_lies_in_it() -> None:
    boundaries = load_boundaries()
    found = [boundaries.locate(Coordinate(lat, lon)) for lat, lon in CENTRES.tolist()]
    assert found == list(COUNTRIES)


def test_many_distances_at_once_have_the_published_values() -> None:
    # Nashville to Los Angeles airports; JFK to Los Angeles (Williams, Aviation Formulary).
    lats_a, lons_a = [36.12, 40 + 38 / 60], [-86.67, -(73 + 47 / 60)]
    lats_b, lons_b = [33.94, 33 + 57 / 60], [-118.40, -(118 + 24 / 60)]
    found = distances_km(lats_a, lons_a, lats_b, lons_b)
    assert found.tolist() == pytest.approx([2886.45, 0.623585 * 6371.0088], abs=0.05)


@pytest.mark.parametrize(
    ("place", "other", "km"),
    [
        # Lyon to Paris, with R = 6371.0088 km: README of the package haversine.
        ((45.7597, 4.8422), (48.8567, 2.3508), 392.2172596),
        # Newport to Cleveland, with R = 6371.009 km: documentation of geopy, in miles.
        ((41.49008, -71.312796), (41.499498, -81.695391), 536.997990696 * 1.609344),
        # Buenos Aires to Paris airports, with R = 6371 km: scikit-learn, haversine_distances.
        ((-34.83333, -58.5166646), (49.0083899664, 2.53844117956), 11099.54035582),
        # Land's End to John o' Groats, to four digits: Veness, Movable Type Scripts.
        ((50 + 3.983 / 60, -(5 + 42.883 / 60)), (58 + 38.633 / 60, -(3 + 4.2 / 60)), 968.9),
    ],
    ids=["Lyon-Paris", "Newport-Cleveland", "Buenos Aires-Paris", "Land's End-John o' Groats"],
)
def test_distances_between_cities_are_the_published_ones(
    place: tuple[float, float], other: tuple[float, float], km: float
) -> None:
    # The sources' radii differ by 1.4 millionths.
    assert float(distances_km(*place, *other)) == pytest.approx(km, rel=2e-6, abs=0.05)


def test_a_prediction_at_the_exact_place_has_no_error_and_full_score() -> None:
    index = replace(tiny_index(1, views=2), lats=CENTRES[[1, 1], 0], lons=CENTRES[[1, 1], 1])
    found = distance_metrics(np.array([1, 1]), index, CENTRES)
    values = {name: (one.low, one.value, one.high) for name, one in found.items()}
    assert values["mean_error_km"] == pytest.approx((0, 0, 0), abs=1e-4)
    assert values["median_error_km"] == pytest.approx((0, 0, 0), abs=1e-4)
    assert values["geoscore"] == pytest.approx((5000, 5000, 5000))
    assert values["accuracy_within_750_km"] == (1, 1, 1)


def test_views_of_unknown_position_are_ignored() -> None:
    index = tiny_index(4)
    predictions = np.zeros(len(index), dtype=np.int64)
    some = np.where(index.location_ids == "place-000", np.nan, index.lats)
    known = np.flatnonzero(~np.isnan(some))
    without = distance_metrics(predictions, replace(index, lats=some), CENTRES)
    assert without == distance_metrics(predictions[known], subset(index, known), CENTRES)


def test_no_known_position_gives_no_metrics() -> None:
    index = tiny_index(2)
    nowhere = replace(index, lats=np.full(len(index), np.nan))
    assert distance_metrics(np.zeros(len(index), dtype=np.int64), nowhere, CENTRES) == {}
