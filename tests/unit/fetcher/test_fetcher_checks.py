"""Checks of panoramas: a table."""

import pytest

from euguess.geography.boundaries import Boundaries
from euguess.geography.locations import Coordinate
from services.fetcher.checks import Placement, Requirements, check_panorama
from tests.support.fetcher_fakes import IN_FRANCE, panorama, two_countries

REQUIREMENTS = Requirements("FR", max_distance_m=1000, border_buffer_km=2)


@pytest.fixture(scope="module")
def boundaries() -> Boundaries:
    return two_countries()


@pytest.mark.parametrize(
    ("spot", "is_official", "reason"),
    [
        (Coordinate(3.6e-08, 3.6e-08), True, "null_island"),
        (Coordinate(47.0, 47.0), True, "lat_equals_lon"),
        (IN_FRANCE, False, "user_photo"),
        (Coordinate(47.0095, 2.0), True, "too_far"),
        (Coordinate(20.0, 2.0), True, "too_far"),
    ],
)
def test_impossible_and_distant_panoramas_are_rejected(
    boundaries: Boundaries, spot: Coordinate, is_official: bool, reason: str
) -> None:
    found = panorama(at=spot, is_official=is_official)
    assert check_panorama(found, IN_FRANCE, REQUIREMENTS, boundaries) == reason


@pytest.mark.parametrize(
    ("lon", "reason"), [(5.004, "other_country"), (4.996, "near_border"), (4.975, "near_border")]
)
def test_the_country_is_that_of_the_panorama_itself(
    boundaries: Boundaries, lon: float, reason: str
) -> None:
    candidate = Coordinate(47.0, lon - 0.001)
    assert (
        check_panorama(panorama(at=Coordinate(47.0, lon)), candidate, REQUIREMENTS, boundaries)
        == reason
    )


def test_a_good_panorama_is_measured(boundaries: Boundaries) -> None:
    found = check_panorama(
        panorama(at=Coordinate(47.005, 4.9)), Coordinate(47.0, 4.9), REQUIREMENTS, boundaries
    )
    assert isinstance(found, Placement)
    assert found.distance_m == pytest.approx(556, abs=1)
    assert found.border_km == pytest.approx(7.6, abs=0.1)


def test_the_distance_limit_is_exact(boundaries: Boundaries) -> None:
    found = panorama(at=Coordinate(47.001, 2.0))  # 111 m away
    assert check_panorama(found, IN_FRANCE, Requirements("FR", 111, 2), boundaries) == "too_far"
    assert isinstance(
        check_panorama(found, IN_FRANCE, Requirements("FR", 112, 2), boundaries), Placement
    )
