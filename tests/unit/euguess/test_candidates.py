"""Candidates: uniform in area, deterministic, inside the country and away from its borders."""

import json
from pathlib import Path

import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

from euguess.errors import InvalidInput, UnknownCountry
from euguess.geography.boundaries import EQUAL_AREA, Boundaries, load_boundaries
from euguess.geography.countries import COUNTRIES
from euguess.geography.locations import Coordinate
from services.sampler.candidates import CandidateSource

BUFFER_KM = 2.0
GRID = 20
DRAWN = 200_000


@pytest.fixture(scope="module")
def boundaries() -> Boundaries:
    return load_boundaries()


@pytest.fixture(scope="module")
def source(boundaries: Boundaries) -> CandidateSource:
    return CandidateSource(boundaries, BUFFER_KM)


def draw(source: CandidateSource, code: str, count: int) -> NDArray[np.float64]:
    return source.draw(code, seed=5, slots=range(count), first=0, count=1).reshape(-1, 2)


@pytest.mark.parametrize("code", [country.code for country in COUNTRIES])
def test_candidates_lie_in_the_country_beyond_the_buffer(
    boundaries: Boundaries, source: CandidateSource, code: str
) -> None:
    points = draw(source, code, 300)
    assert set(boundaries.locate_many(points[:, 0], points[:, 1])) == {code}
    distances = [boundaries.border_km(Coordinate(lat, lon), code) for lat, lon in points]
    assert min(distances) >= BUFFER_KM


def metres(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    to_metres = pyproj.Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)
    x, y = to_metres.transform(points[:, 1], points[:, 0])
    return x, y


def uniformity_p_value(points: NDArray[np.float64], area: shapely.Geometry) -> float:
    """Chi-square test of counts in an equal-area grid against those expected by area."""
    west, south, east, north = shapely.bounds(area)
    xs, ys = np.linspace(west, east, GRID + 1), np.linspace(south, north, GRID + 1)
    counts, _, _ = np.histogram2d(*metres(points), bins=(xs, ys))
    left, bottom = np.meshgrid(xs[:-1], ys[:-1], indexing="ij")
    cells = shapely.box(left, bottom, left + (xs[1] - xs[0]), bottom + (ys[1] - ys[0]))
    shares = shapely.area(shapely.intersection(cells, area)) / shapely.area(area)
    expected = shares * len(points)
    used = expected > 5
    statistic = ((counts - expected)[used] ** 2 / expected[used]).sum()
    return float(chi2.sf(statistic, used.sum() - 1))


@pytest.mark.parametrize("code", ["LU", "FR", "GR", "NO"])
def test_candidates_are_uniform_in_area(boundaries: Boundaries, code: str) -> None:
    points = draw(CandidateSource(boundaries, 0.0), code, DRAWN)
    assert uniformity_p_value(points, boundaries.territories[code]) > 0.001


@pytest.mark.parametrize("code", ["FR", "NO"])
def test_the_test_of_uniformity_finds_points_uniform_in_degrees(
    boundaries: Boundaries, code: str
) -> None:
    low, high = [(41.3, -5.5), (51.2, 9.6)] if code == "FR" else [(57.9, 4.4), (71.2, 31.2)]
    points = np.random.default_rng(0).uniform(low, high, (DRAWN, 2))
    inside = shapely.intersects_xy(boundaries.territories[code], *metres(points))
    assert uniformity_p_value(points[inside], boundaries.territories[code]) < 1e-6


@pytest.mark.parametrize(("code", "lat"), [("NO", 65.0), ("ES", 40.0)])
def test_north_and_south_have_candidates_in_proportion_to_their_area(
    boundaries: Boundaries, code: str, lat: float
) -> None:
    points = draw(CandidateSource(boundaries, 0.0), code, DRAWN)
    lons = np.linspace(-15, 45, 500)
    southern = shapely.polygons(
        np.column_stack(
            metres(
                np.column_stack(
                    [np.r_[np.full(500, 30.0), np.full(500, lat)], np.r_[lons, lons[::-1]]]
                )
            )
        )
    )
    area = boundaries.territories[code]
    share = shapely.area(shapely.intersection(area, southern)) / shapely.area(area)
    assert (points[:, 0] < lat).mean() == pytest.approx(share, abs=4 * 0.5 / DRAWN**0.5)


def test_candidates_avoid_borders_but_not_the_coast(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"features": [square("AT", 10.0), square("DE", 10.5)]}))
    source = CandidateSource(load_boundaries(path), 10.0)
    points = draw(source, "AT", 5000)
    km_to_border = (10.5 - points[:, 1]) * 111.2 * np.cos(np.radians(points[:, 0]))
    assert km_to_border.min() == pytest.approx(10.0, abs=0.3)
    assert points[:, 1].min() == pytest.approx(10.0, abs=0.001)
    assert points[:, 0].min() == pytest.approx(50.0, abs=0.001)


def square(code: str, west: float) -> dict[str, object]:
    ring = shapely.get_coordinates(shapely.box(west, 50.0, west + 0.5, 50.5)).tolist()
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"type": "Feature", "properties": {"code": code}, "geometry": geometry}


@settings(max_examples=50, deadline=None)
@given(
    slots=st.lists(st.integers(0, 10**9), min_size=1, max_size=6),
    first=st.integers(0, 1000),
    head=st.integers(0, 10),
    tail=st.integers(1, 10),
)
def test_a_stream_does_not_depend_on_chunk_sizes(
    source: CandidateSource, slots: list[int], first: int, head: int, tail: int
) -> None:
    whole = source.draw("FR", seed=1, slots=slots, first=first, count=head + tail)
    last = source.draw("FR", seed=1, slots=slots[-1:], first=first + head, count=tail)
    np.testing.assert_array_equal(last[0], whole[-1, head:])


def test_a_new_source_draws_the_same_candidates(source: CandidateSource) -> None:
    first = source.draw("LU", seed=1, slots=[0], first=0, count=2)
    again = CandidateSource(load_boundaries(), BUFFER_KM)
    np.testing.assert_array_equal(again.draw("LU", seed=1, slots=[0], first=0, count=2), first)


def test_streams_do_not_change_between_versions(source: CandidateSource) -> None:
    # With the packaged boundaries and GEOS 3.14. A resumed dataset must continue its streams.
    first = source.draw("LU", seed=1, slots=[0, 122], first=0, count=1)[:, 0]
    expected = [[49.7612835, 6.3517055], [49.9579046, 5.9169128]]
    np.testing.assert_allclose(first, expected, rtol=0, atol=1e-6)


def test_streams_do_not_depend_on_what_was_drawn_before(boundaries: Boundaries) -> None:
    fresh, used = CandidateSource(boundaries, 1.0), CandidateSource(boundaries, 1.0)
    draw(used, "BE", 10)
    draw(used, "LU", 10)
    np.testing.assert_array_equal(draw(used, "LU", 3), draw(fresh, "LU", 3))


def test_seeds_slots_and_positions_have_different_candidates(source: CandidateSource) -> None:
    points = [
        source.draw("FR", seed=seed, slots=range(50), first=0, count=50).reshape(-1, 2)
        for seed in range(4)
    ]
    assert len(np.unique(np.concatenate(points), axis=0)) == 4 * 50 * 50


def test_neighbouring_slots_and_positions_are_not_correlated(source: CandidateSource) -> None:
    lats = source.draw("FR", seed=3, slots=range(5000), first=0, count=2)[:, :, 0]
    assert abs(np.corrcoef(lats[:-1, 0], lats[1:, 0])[0, 1]) < 4 / 5000**0.5
    assert abs(np.corrcoef(lats[:, 0], lats[:, 1])[0, 1]) < 4 / 5000**0.5


def test_countries_of_the_same_shape_have_different_streams(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(json.dumps({"features": [square("AT", 10.0), square("DE", 12.0)]}))
    source = CandidateSource(load_boundaries(path), 0.0)
    west, east = draw(source, "AT", 2000)[:, 0], draw(source, "DE", 2000)[:, 0]
    assert abs(np.corrcoef(west, east)[0, 1]) < 4 / 2000**0.5


def test_zero_slots_or_a_zero_count_draw_nothing(source: CandidateSource) -> None:
    assert source.draw("FR", seed=0, slots=[], first=0, count=4).shape == (0, 4, 2)
    assert source.draw("FR", seed=0, slots=[1, 2], first=0, count=0).shape == (2, 0, 2)


def test_a_buffer_that_covers_the_country_is_refused(boundaries: Boundaries) -> None:
    with pytest.raises(InvalidInput, match="border_buffer_km"):
        CandidateSource(boundaries, 30.0).draw("LI", seed=0, slots=[0], first=0, count=1)


def test_an_unknown_country_is_refused(source: CandidateSource) -> None:
    with pytest.raises(UnknownCountry, match="ZZ"):
        source.draw("ZZ", seed=0, slots=[0], first=0, count=1)
