"""Points per second against a loop that draws in the bounding box and checks points one by one.

Run with `pytest tests/benchmarks/test_candidates_benchmark.py -m benchmark -s`.
"""

import time
from collections.abc import Callable

import numpy as np
import pyproj
import pytest
import shapely

from euguess.geography.boundaries import EQUAL_AREA, Boundaries, load_boundaries
from services.sampler.candidates import CandidateSource

REPEATS = 5
LOOP_POINTS = 300
DRAWN_POINTS = 200_000


@pytest.fixture(scope="module")
def boundaries() -> Boundaries:
    return load_boundaries()


def loop(territory: shapely.Geometry, points: int) -> None:
    to_degrees = pyproj.Transformer.from_crs(EQUAL_AREA, "EPSG:4326")
    rng = np.random.default_rng(0)
    west, south, east, north = shapely.bounds(territory)
    found = 0
    while found < points:
        point = shapely.Point(rng.uniform(west, east), rng.uniform(south, north))
        if point.within(territory):
            to_degrees.transform(point.y, point.x)
            found += 1


def best_rate(work: Callable[[], object], points: int) -> float:
    """Return points per second of the fastest repeat, the one least disturbed by other work."""
    durations = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        durations.append(time.perf_counter() - start)
    return points / min(durations)


@pytest.mark.benchmark
@pytest.mark.parametrize("code", ["LU", "FR", "GR", "NO"])
def test_drawing_is_faster_than_a_loop(boundaries: Boundaries, code: str) -> None:
    source = CandidateSource(boundaries, 0.0)
    start = time.perf_counter()
    source.draw(code, seed=0, slots=[0], first=0, count=1)
    build_ms = (time.perf_counter() - start) * 1000
    naive = best_rate(lambda: loop(boundaries.territories[code], LOOP_POINTS), LOOP_POINTS)
    drawn = best_rate(
        lambda: source.draw(code, seed=0, slots=range(DRAWN_POINTS), first=0, count=1),
        DRAWN_POINTS,
    )
    print(
        f"\n{code}: loop {naive:,.0f} points/s, drawn {drawn:,.0f} points/s, "
        f"{drawn / naive:,.0f} times; built in {build_ms:.0f} ms"
    )
    assert drawn > 20 * naive
