"""Country boundaries: locate coordinates and measure distances to borders."""

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyproj
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry.base import BaseGeometry

from euguess.errors import UnknownCountry
from euguess.geography.boundary_files import read_boundary_file
from euguess.geography.locations import Coordinate

# ETRS89 / LAEA Europe: areas are exact; short distances differ from the ellipsoid's by up to
# 1.6 % from Lisbon to Iceland and the North Cape, by up to 2.4 % in Cyprus and eastern Turkey.
EQUAL_AREA = "EPSG:3035"

# The packaged coast is off by up to about 2 km, so that quays and beaches lie "in the sea".
COAST_TOLERANCE_M = 2000.0
MAX_BORDER_KM = 1000.0
LONGEST_EDGE_DEG = 0.1  # straight in degrees; its chord in EPSG:3035 is 3 m off at 60 degrees north
SEGMENTS_PER_PIECE = 32  # short pieces keep distances local: Russia has 10,000 segments

# For each piece of land, the position of its country in `codes`.
Owners: TypeAlias = NDArray[np.int64]


class Boundaries:
    """Territories by country code; all methods take and return WGS84 degrees."""

    def __init__(self, territories: Mapping[str, BaseGeometry]) -> None:
        """Build from polygons in lon, lat; where they overlap, the last one wins."""
        self.codes = tuple(territories)
        self._project = pyproj.Transformer.from_crs("EPSG:4326", EQUAL_AREA, always_xy=True)
        self.territories = {code: self._projected(area) for code, area in territories.items()}
        self._parts, self._part_owners = _split(self.territories, shapely.get_parts)
        self._part_tree = shapely.STRtree(self._parts)
        self._other_lines: dict[int, shapely.STRtree] = {}
        shapely.prepare(self._parts)

    def locate(self, coordinate: Coordinate) -> str | None:
        """Return the code of the country that a coordinate is in, or None.

        A coordinate at sea belongs to the only country within 2 km, if there is exactly one.
        """
        return self.locate_many([coordinate.lat], [coordinate.lon])[0]

    def locate_many(self, lats: ArrayLike, lons: ArrayLike) -> list[str | None]:
        """Return the codes for arrays of equal length; see `locate`."""
        x, y = self._metres(lats, lons)
        owners = self._owners_at(x, y)
        at_sea = np.flatnonzero(owners < 0)
        owners[at_sea] = self._owners_near(x[at_sea], y[at_sea])
        return [self.codes[owner] if owner >= 0 else None for owner in owners]

    def border_km(self, coordinate: Coordinate, code: str) -> float:
        """Return the distance to the nearest territory of another country; 0 inside one.

        The coast is not a border. The result is at most 1000 km, also if there is no other country.
        """
        own = self._index(code)
        x, y = self._metres([coordinate.lat], [coordinate.lon])
        if self._owners_at(x, y)[0] not in (-1, own):
            return 0.0
        _, metres = self._lines_of_others(own).query_nearest(
            shapely.points(x, y), max_distance=MAX_BORDER_KM * 1000, return_distance=True
        )
        return float(metres[0]) / 1000 if len(metres) else MAX_BORDER_KM

    def centroid(self, code: str) -> Coordinate:
        """Return a point inside the largest part of the country, near its middle."""
        territory = self.territories[self.codes[self._index(code)]]
        largest = max(shapely.get_parts(territory), key=shapely.area)
        centre = shapely.centroid(largest)
        inside = centre if largest.contains(centre) else shapely.point_on_surface(largest)
        lat, lon = self.to_degrees(shapely.get_coordinates(inside))[0]
        return Coordinate(float(lat), float(lon))

    def to_degrees(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Convert metres of EPSG:3035 (n, 2) to degrees (n, 2) as lat, lon."""
        lons, lats = self._project.transform(points[:, 0], points[:, 1], direction="INVERSE")
        return np.column_stack([lats, lons])

    def others_near(self, code: str, distance_m: float) -> BaseGeometry:
        """Return other countries' land within a distance of a country's bounds, in EPSG:3035."""
        own = self._index(code)
        frame = shapely.box(*self.territories[code].bounds).buffer(distance_m)
        near = self._part_tree.query(frame)
        others = self._parts[near[self._part_owners[near] != own]]
        return shapely.union_all(shapely.intersection(others, frame))

    @cached_property
    def _lines(self) -> tuple[NDArray[np.object_], Owners]:
        return _split(self.territories, _short_lines)

    @cached_property
    def _line_tree(self) -> shapely.STRtree:
        return shapely.STRtree(self._lines[0])

    def _lines_of_others(self, own: int) -> shapely.STRtree:
        if own not in self._other_lines:
            lines, owners = self._lines
            self._other_lines[own] = shapely.STRtree(lines[owners != own])
        return self._other_lines[own]

    def _owners_at(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Owners:
        """Return positions in `codes`, -1 where there is no country."""
        owners = np.full(len(x), -1)
        # Boxes first, then prepared parts: a predicate in the query would not use preparation.
        points, parts = self._part_tree.query(shapely.points(x, y))
        inside = shapely.intersects_xy(self._parts[parts], x[points], y[points])
        np.maximum.at(owners, points[inside], self._part_owners[parts[inside]])
        return owners

    def _owners_near(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> Owners:
        """Return the country within the coast tolerance, -1 if there is none or more than one."""
        points, lines = self._line_tree.query(
            shapely.points(x, y), predicate="dwithin", distance=COAST_TOLERANCE_M
        )
        near = self._lines[1][lines]
        lowest, highest = np.full(len(x), len(self.codes)), np.full(len(x), -1)
        np.minimum.at(lowest, points, near)
        np.maximum.at(highest, points, near)
        return np.where(lowest == highest, highest, -1)

    def _metres(
        self, lats: ArrayLike, lons: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        x, y = self._project.transform(np.asarray(lons, float), np.asarray(lats, float))
        return x, y

    def _projected(self, territory: BaseGeometry) -> BaseGeometry:
        def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
            return np.column_stack(self._metres(points[:, 1], points[:, 0]))

        return shapely.make_valid(
            shapely.transform(shapely.segmentize(territory, LONGEST_EDGE_DEG), project)
        )

    def _index(self, code: str) -> int:
        try:
            return self.codes.index(code)
        except ValueError:
            raise UnknownCountry(f"No boundary for the country code {code!r}.") from None


def load_boundaries(path: Path | None = None) -> Boundaries:
    """Load the packaged boundaries, or a GeoJSON or GeoParquet file. Raises InvalidInput."""
    if path is not None:
        return Boundaries(read_boundary_file(path))
    with resources.as_file(resources.files("euguess") / "data" / "boundaries.parquet") as packaged:
        return Boundaries(read_boundary_file(packaged))


def _split(
    territories: Mapping[str, BaseGeometry],
    split: Callable[[BaseGeometry], Iterable[BaseGeometry]],
) -> tuple[NDArray[np.object_], Owners]:
    """Return the pieces of all territories, and the position of each piece's country."""
    groups = [list(split(territory)) for territory in territories.values()]
    pieces = np.empty(sum(map(len, groups)), dtype=object)
    pieces[:] = [piece for group in groups for piece in group]
    return pieces, np.repeat(np.arange(len(groups)), [len(group) for group in groups])


def _short_lines(territory: BaseGeometry) -> Iterable[BaseGeometry]:
    for ring in shapely.get_rings(shapely.get_parts(territory)):
        points = shapely.get_coordinates(ring)
        for start in range(0, len(points) - 1, SEGMENTS_PER_PIECE):
            yield shapely.LineString(points[start : start + SEGMENTS_PER_PIECE + 1])
