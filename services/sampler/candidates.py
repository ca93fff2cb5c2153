"""Random coordinates, uniform in area inside a country away from its borders."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from euguess.errors import InvalidInput
from euguess.geography.boundaries import Boundaries

DECIMALS = 7  # of degrees: 1 cm, coarser than what platforms' arithmetic differs by

QUADRANT_SEGMENTS = 8
# A buffer's arcs are polygons inside the circle; this factor puts them outside (0.5 %).
ARC_FACTOR = 1 / np.cos(np.pi / (4 * QUADRANT_SEGMENTS))
ROUNDING_M = 0.02  # candidates move by up to this much when rounded

# splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True, slots=True)
class _Triangles:
    """A country's drawing area: corners (n, 3, 2) in metres and cumulated areas (n,)."""

    corners: NDArray[np.float64]
    cumulated: NDArray[np.float64]


class CandidateSource:
    """Endless streams of candidates, one for each slot.

    A candidate is a pure function of (seed, country, slot, position) for given boundaries, buffer
    and GEOS version (which triangulates): any part of any stream can be drawn at any time, by any
    process, without a state.
    """

    def __init__(self, boundaries: Boundaries, border_buffer_km: float) -> None:
        self._boundaries = boundaries
        self._buffer_m = border_buffer_km * 1000
        self._triangles: dict[str, _Triangles] = {}

    def draw(
        self, code: str, *, seed: int, slots: Sequence[int], first: int, count: int
    ) -> NDArray[np.float64]:
        """Candidates first..first+count of each slot: (len(slots), count, 2) degrees, lat and lon.

        Raises InvalidInput when nothing of the country is left outside the border buffer.
        """
        triangles = self._country(code)
        numbers = _uniform_numbers(_stream_key(seed, code), slots, first, count)
        points = _points_in(triangles, numbers.reshape(-1, 3))
        degrees = np.round(self._boundaries.to_degrees(points), DECIMALS)
        return degrees.reshape(len(slots), count, 2)

    def _country(self, code: str) -> _Triangles:
        if code not in self._triangles:
            self._triangles[code] = self._triangulate(code)
        return self._triangles[code]

    def _triangulate(self, code: str) -> _Triangles:
        parts = self._drawing_area(code)
        if not len(parts):
            raise InvalidInput(
                f"No part of {code} is {self._buffer_m / 1000:g} km or more away from all other "
                "countries; lower border_buffer_km."
            )
        triangles = shapely.get_parts(shapely.constrained_delaunay_triangles(parts))
        rings = shapely.get_coordinates(triangles).reshape(-1, 4, 2)
        return _Triangles(rings[:, :3], np.cumsum(shapely.area(triangles)))

    def _drawing_area(self, code: str) -> NDArray[np.object_]:
        """Polygons of a country without what is too near to others; the coast stays."""
        distance_m = self._buffer_m * ARC_FACTOR + ROUNDING_M
        others = self._boundaries.others_near(code, distance_m)
        near = shapely.buffer(others, distance_m, quad_segs=QUADRANT_SEGMENTS)
        parts = shapely.get_parts(shapely.difference(self._boundaries.territories[code], near))
        return parts[shapely.area(parts) > 0]


def _points_in(triangles: _Triangles, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """One point (n, 2) for each row of three numbers in [0, 1): triangle by area, then uniform."""
    inner_edges = triangles.cumulated[:-1] / triangles.cumulated[-1]
    chosen = np.searchsorted(inner_edges, numbers[:, 0], side="right")
    a, b, c = np.moveaxis(triangles.corners[chosen], 1, 0)
    root, share = np.sqrt(numbers[:, 1:2]), numbers[:, 2:3]
    # Osada, Funkhouser, Chazelle, Dobkin, Shape distributions, 2002, section 4.2.
    points: NDArray[np.float64] = (1 - root) * a + root * (1 - share) * b + root * share * c
    return points


def _stream_key(seed: int, code: str) -> np.uint64:
    digest = hashlib.blake2b(f"{seed}/{code}".encode(), digest_size=8).digest()
    return np.uint64(int.from_bytes(digest, "little"))


def _uniform_numbers(
    key: np.uint64, slots: Sequence[int], first: int, count: int
) -> NDArray[np.float64]:
    """Numbers in [0, 1), (len(slots), count, 3), by hashing key, slot, position and dimension."""
    positions = np.arange(first, first + count, dtype=np.uint64)
    state = _mix(key ^ _mix(np.asarray(slots, dtype=np.uint64)))[:, None]
    state = _mix(state ^ _mix(positions + _GOLDEN)[None, :])[:, :, None]
    mixed = _mix(state + _GOLDEN * np.arange(1, 4, dtype=np.uint64))
    numbers: NDArray[np.float64] = (mixed >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    state = (state ^ (state >> np.uint64(30))) * _MIX_1
    state = (state ^ (state >> np.uint64(27))) * _MIX_2
    return state ^ (state >> np.uint64(31))
