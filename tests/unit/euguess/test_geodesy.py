"""Great-circle distances against published values and rules of geometry."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from euguess.geography.geodesy import EARTH_RADIUS_KM, great_circle_km
from euguess.geography.locations import Coordinate

HALF_WAY_ROUND_KM = math.pi * EARTH_RADIUS_KM

coordinates = st.builds(Coordinate, st.floats(-90, 90), st.floats(-180, 180))


@pytest.mark.parametrize(
    ("a", "b", "km"),
    [
        # Nashville to Los Angeles airports, the textbook example: 2886.44 km with R = 6371 km.
        (Coordinate(36.12, -86.67), Coordinate(33.94, -118.40), 2886.45),
        # JFK to Los Angeles, Williams, Aviation Formulary: 0.623585 radians.
        (
            Coordinate(40 + 38 / 60, -(73 + 47 / 60)),
            Coordinate(33 + 57 / 60, -(118 + 24 / 60)),
            0.623585 * EARTH_RADIUS_KM,
        ),
        (Coordinate(0, 0), Coordinate(0, 180), HALF_WAY_ROUND_KM),
        (Coordinate(90, 0), Coordinate(-90, 0), HALF_WAY_ROUND_KM),
        (Coordinate(10, 179.9), Coordinate(10, -179.9), 21.9),  # over the antimeridian
        (Coordinate(48.2, 16.4), Coordinate(48.2, 16.4), 0.0),
    ],
)
def test_great_circle_distances_match_published_values(
    a: Coordinate, b: Coordinate, km: float
) -> None:
    assert great_circle_km(a, b) == pytest.approx(km, abs=0.05)


@given(coordinates, coordinates)
def test_distances_are_symmetric_and_at_most_half_way_round(a: Coordinate, b: Coordinate) -> None:
    there = great_circle_km(a, b)
    assert there == pytest.approx(great_circle_km(b, a), abs=1e-9)
    assert 0 <= there <= HALF_WAY_ROUND_KM


@given(coordinates, coordinates, coordinates)
def test_distances_obey_the_triangle_inequality(
    a: Coordinate, b: Coordinate, c: Coordinate
) -> None:
    assert great_circle_km(a, c) <= great_circle_km(a, b) + great_circle_km(b, c) + 1e-3


def test_null_island_is_recognised() -> None:
    assert Coordinate(3.6e-8, 3.6e-8).is_null_island
    assert not Coordinate(0.5, 0.0).is_null_island
