"""Draw random coordinates, uniform in area inside a country and away from its borders."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from euguess.errors import InvalidInput
from euguess.geography.boundaries import Boundaries
from euguess.messages.collection import DatasetSpec, SlotKey
from services.sampler.slots import SlotWork, candidate_count

DECIMALS = 7  # of degrees: 1 cm, coarser than the differences between platforms

QUADRANT_SEGMENTS = 8
# A buffer's arcs are polygons inside the circle; this factor moves them outside (0.5 %).
ARC_FACTOR = 1 / np.cos(np.pi / (4 * QUADRANT_SEGMENTS))
ROUNDING_M = 0.02  # candidates move by up to this much when rounded

# splitmix64 (Steele, Lea and Flood, Fast splittable pseudorandom number generators, 2014).
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


LatLon = tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Triangles:
    """A country's area to draw from: corners (n, 3, 2) in metres, cumulative areas (n,)."""

    corners: NDArray[np.float64]
    cumulative: NDArray[np.float64]


class CandidateSource:
    """Endless streams of candidates, one for each slot.

    A candidate is a pure function of (seed, country, slot, position) for given boundaries, buffer
    and GEOS version (which triangulates): any process can draw any part of any stream at any time,
    without shared state.
    """

    def __init__(self, boundaries: Boundaries, border_buffer_km: float) -> None:
        self._boundaries = boundaries
        self._buffer_m = border_buffer_km * 1000
        self._triangles: dict[str, _Triangles] = {}

    def draw(
        self, code: str, *, seed: int, slots: Sequence[int], first: int, count: int
    ) -> NDArray[np.float64]:
        """Draw candidates first..first+count of each slot: (len(slots), count, 2) lat and lon.

        Raises InvalidInput if no area of the country is left outside the border buffer.
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
        """Return a country's polygons minus the zone near other countries; coasts are kept."""
        distance_m = self._buffer_m * ARC_FACTOR + ROUNDING_M
        others = self._boundaries.others_near(code, distance_m)
        near = shapely.buffer(others, distance_m, quad_segs=QUADRANT_SEGMENTS)
        parts = shapely.get_parts(shapely.difference(self._boundaries.territories[code], near))
        return parts[shapely.area(parts) > 0]


class SlotCandidates:
    """Draws the candidates of slots; keeps one source for each border buffer."""

    def __init__(self, boundaries: Boundaries) -> None:
        self._boundaries = boundaries
        self._sources: dict[float, CandidateSource] = {}

    def check(self, spec: DatasetSpec) -> None:
        """Raise InvalidInput if a country is unknown or has no area outside the border buffer."""
        unknown = [code for code in spec.quotas if code not in self._boundaries.codes]
        if unknown:
            raise InvalidInput(
                f"quotas: unknown country {', '.join(unknown)}; use some of "
                f"{', '.join(sorted(self._boundaries.codes))}."
            )
        for code in spec.quotas:
            self._source(spec).draw(code, seed=spec.seed, slots=[0], first=0, count=1)

    def draw(self, spec: DatasetSpec, works: Iterable[SlotWork]) -> dict[SlotKey, list[LatLon]]:
        """Return the next candidates of each slot; draw those with the same start together."""
        groups: defaultdict[tuple[str, int, int], list[SlotWork]] = defaultdict(list)
        for work in works:
            start = (work.slot.country_code, work.next_candidate, candidate_count(work, spec))
            groups[start].append(work)
        drawn: dict[SlotKey, list[LatLon]] = {}
        for (code, first, count), group in groups.items():
            drawn.update(self._draw_group(spec, code, first, count, group))
        return drawn

    def _draw_group(
        self, spec: DatasetSpec, code: str, first: int, count: int, group: Sequence[SlotWork]
    ) -> dict[SlotKey, list[LatLon]]:
        indices = [work.slot.index for work in group]
        points = self._source(spec).draw(
            code, seed=spec.seed, slots=indices, first=first, count=count
        )
        return {
            work.slot: [(float(lat), float(lon)) for lat, lon in stream]
            for work, stream in zip(group, points, strict=True)
        }

    def _source(self, spec: DatasetSpec) -> CandidateSource:
        buffer_km = spec.border_buffer_km
        if buffer_km not in self._sources:
            self._sources[buffer_km] = CandidateSource(self._boundaries, buffer_km)
        return self._sources[buffer_km]


def _points_in(triangles: _Triangles, numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """Map rows of three numbers in [0, 1) to points (n, 2): triangle by area, then uniform."""
    inner_edges = triangles.cumulative[:-1] / triangles.cumulative[-1]
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
    """Hash key, slot, position and dimension to numbers in [0, 1): (len(slots), count, 3)."""
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
