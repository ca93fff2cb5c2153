"""An order of countries in which neighbours on the map are close to each other."""

import functools
from collections.abc import Mapping

from dashboard.charts.geography import outlines
from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate

Distances = Mapping[tuple[str, str], float]


@functools.cache
def centres() -> Mapping[str, Coordinate]:
    """Return the centroids of all countries with an outline, by code."""
    return {
        code: Coordinate(lat=area.centroid.y, lon=area.centroid.x)
        for code, area in outlines().items()
    }


@functools.cache
def by_geography(codes: frozenset[str]) -> tuple[str, ...]:
    """Order countries along a short path through their centres, from the westernmost.

    The path is built by nearest neighbour and improved by 2-opt (Croes, Operations Research 6,
    1958). Countries without an outline come last.
    """
    known = sorted(codes & centres().keys(), key=lambda code: centres()[code].lon)
    distances = {(one, other): _distance_km(one, other) for one in known for other in known}
    path = _two_opt(_nearest_neighbour_path(known, distances), distances)
    return (*path, *sorted(codes - set(path)))


def _distance_km(one: str, other: str) -> float:
    return great_circle_km(centres()[one], centres()[other])


def _nearest_neighbour_path(codes: list[str], distances: Distances) -> list[str]:
    path, left = codes[:1], set(codes[1:])
    while left:
        here = path[-1]
        path.append(min(left, key=lambda code: (distances[here, code], code)))
        left.remove(path[-1])
    return path


def _two_opt(path: list[str], distances: Distances) -> list[str]:
    while True:
        shorter = _improved(path, distances)
        if shorter is None:
            return path
        path = shorter


def _improved(path: list[str], distances: Distances) -> list[str] | None:
    """Reverse the first segment that shortens the path; None if there is none."""
    for start in range(1, len(path) - 1):
        for end in range(start + 1, len(path)):
            before, first, last = path[start - 1], path[start], path[end]
            gain = distances[before, first] - distances[before, last]
            if end + 1 < len(path):
                gain += distances[last, path[end + 1]] - distances[first, path[end + 1]]
            if gain > 1e-6:
                return path[:start] + path[start : end + 1][::-1] + path[end + 1 :]
    return None
