"""A deterministic world with at most one panorama in each cell of a 1 km grid.

Hashes of (seed, cell) decide whether a cell has a panorama, where in the cell it is and when it was
taken. So a search looks only at nearby cells, and nothing is stored.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from euguess.geography.geodesy import EARTH_RADIUS_KM
from euguess.geography.locations import Coordinate
from services.simulator.pano_ids import Cell, decode_pano_id, encode_pano_id

CELL_DEG = 0.01  # of latitude, 1.11 km; columns have the same width in kilometres
ROWS = round(180 / CELL_DEG)
MAX_RADIUS_M = 20_000  # a search of 20 km covers 1,300 cells
SITES_AT_ONCE = 32
GOOGLE_COPYRIGHT = "© Google"
FIRST_MONTH = (2008, 5)  # about when the provider's cars started in Europe
MONTHS = 200
ABROAD_RINGS_KM = tuple(2.0**power for power in range(11))  # 1 to 1,024 km
ABROAD_RADIUS_M = 3000.0
DEG_KM = EARTH_RADIUS_KM * math.pi / 180

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


class CountryMap(Protocol):
    """Looks up the country of each coordinate on the real map; None at sea."""

    def locate_many(self, lats: Floats, lons: Floats) -> Sequence[str | None]: ...


@dataclass(frozen=True, slots=True)
class Panorama:
    """A coordinate with imagery; captured is YYYY-MM."""

    pano_id: str
    coordinate: Coordinate
    country_code: str
    captured: str
    copyright: str = GOOGLE_COPYRIGHT


@dataclass(frozen=True, slots=True)
class Coverage:
    """Share of cells that have a panorama, by country."""

    share: float = 0.7
    by_country: dict[str, float] = field(default_factory=dict)

    def of(self, country_code: str) -> float:
        return self.by_country.get(country_code, self.share)

    @property
    def highest(self) -> float:
        return max([self.share, *self.by_country.values()])


@dataclass(frozen=True, slots=True)
class Sites:
    """Cells, the hash that decides their coverage, and the coordinates of their panoramas."""

    rows: Integers
    columns: Integers
    draws: Floats
    lats: Floats
    lons: Floats

    def take(self, order: Integers) -> "Sites":
        return Sites(*(getattr(self, name)[order] for name in self.__slots__))


class World:
    """The panoramas of a seed; the same in each process for the same arguments."""

    def __init__(self, *, seed: int, coverage: Coverage, country_map: CountryMap) -> None:
        self.seed = seed
        self._coverage = coverage
        self._country_map = country_map
        self._panorama_in = lru_cache(maxsize=65_536)(self._panorama_at)

    def panorama(self, pano_id: str) -> Panorama | None:
        """Return the panorama with an id; None if there is none."""
        cell = decode_pano_id(pano_id, self.seed)
        return self._panorama_in(cell) if cell else None

    def nearest(self, centre: Coordinate, radius_m: float) -> Panorama | None:
        """Return the panorama nearest to a coordinate within a radius of at most MAX_RADIUS_M."""
        radius_km = min(radius_m, MAX_RADIUS_M) / 1000
        sites = self._sites(*_cells_around(centre, radius_km))
        distances = _distances_km(centre, sites.lats, sites.lons)
        order = np.argsort(distances, kind="stable")
        order = order[distances[order] <= radius_km]
        for start in range(0, len(order), SITES_AT_ONCE):
            found = self._first_covered(sites.take(order[start : start + SITES_AT_ONCE]))
            if found:
                return found
        return None

    def nearest_abroad(self, panorama: Panorama) -> Panorama | None:
        """Return a panorama of another country, roughly the nearest one within the search rings."""
        for ring_km in ABROAD_RINGS_KM:
            lats, lons = _ring(panorama.coordinate, ring_km)
            codes = self._country_map.locate_many(lats, lons)
            for lat, lon, code in zip(lats, lons, codes, strict=True):
                if code not in (None, panorama.country_code):
                    found = self.nearest(Coordinate(float(lat), float(lon)), ABROAD_RADIUS_M)
                    if found and found.country_code != panorama.country_code:
                        return found
        return None

    def _panorama_at(self, cell: Cell) -> Panorama | None:
        return self._first_covered(self._sites(np.array([cell.row]), np.array([cell.column])))

    def _sites(self, rows: Integers, columns: Integers) -> "Sites":
        draws = self._uniform(rows, columns, stream=0)
        possible = draws < self._coverage.highest
        rows, columns = rows[possible], columns[possible]
        return Sites(rows, columns, draws[possible], *self._positions(rows, columns))

    def _first_covered(self, sites: "Sites") -> Panorama | None:
        """Return the panorama of the first site that its country's coverage includes."""
        codes = self._country_map.locate_many(sites.lats, sites.lons)
        for i, code in enumerate(codes):
            if code is not None and sites.draws[i] < self._coverage.of(code):
                cell = Cell(int(sites.rows[i]), int(sites.columns[i]))
                coordinate = Coordinate(
                    round(float(sites.lats[i]), 7), round(float(sites.lons[i]), 7)
                )
                pano_id = encode_pano_id(cell, self.seed)
                return Panorama(pano_id, coordinate, code, self._month(cell))
        return None

    def _month(self, cell: Cell) -> str:
        draw = self._uniform(np.array([cell.row]), np.array([cell.column]), stream=3)[0]
        month = int(draw * MONTHS) + FIRST_MONTH[1] - 1
        return f"{FIRST_MONTH[0] + month // 12}-{month % 12 + 1:02d}"

    def _positions(self, rows: Integers, columns: Integers) -> tuple[Floats, Floats]:
        """Return the coordinate of each cell's panorama, as lats and lons."""
        lats = (rows + self._uniform(rows, columns, stream=1)) * CELL_DEG - 90
        shares = (columns + self._uniform(rows, columns, stream=2)) / _columns_in(rows)
        return lats, shares * 360 - 180

    def _uniform(self, rows: Integers, columns: Integers, *, stream: int) -> Floats:
        """Hash (seed, stream, cell) to [0, 1) with SplitMix64's finaliser (Steele et al., 2014)."""
        start = (self.seed * 0x9E3779B97F4A7C15 + stream * 0xD1B54A32D192ED03) % 2**64
        words = (rows.astype(np.uint64) << np.uint64(32)) ^ columns.astype(np.uint64)
        words = _mixed(_mixed(words) ^ np.uint64(start))
        return np.asarray((words >> np.uint64(11)) / 2.0**53, dtype=np.float64)


def _mixed(words: Any) -> Any:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _columns_in(rows: Integers) -> Integers:
    """Return the number of cells in each row, so that cells are about as wide as high."""
    middles = (rows + 0.5) * CELL_DEG - 90
    columns = np.round(360 / CELL_DEG * np.cos(np.radians(middles)))
    return np.asarray(np.maximum(1, columns), dtype=np.int64)


def _cells_around(centre: Coordinate, radius_km: float) -> tuple[Integers, Integers]:
    """Return the rows and columns of all cells within a radius of a coordinate."""
    reach_deg = radius_km / DEG_KM
    first = max(0, math.floor((centre.lat - reach_deg + 90) / CELL_DEG))
    last = min(ROWS - 1, math.floor((centre.lat + reach_deg + 90) / CELL_DEG))
    rows, columns = [], []
    for row in range(first, last + 1):
        in_row = _columns_around(centre, row, reach_deg)
        columns.append(in_row)
        rows.append(np.full(len(in_row), row))
    return np.concatenate(rows), np.concatenate(columns)


def _columns_around(centre: Coordinate, row: int, reach_deg: float) -> Integers:
    count = int(_columns_in(np.array([row]))[0])
    edge_lat = max(abs(row * CELL_DEG - 90), abs((row + 1) * CELL_DEG - 90))
    # Meridians converge: near the poles the reach spans all columns.
    cosine = math.cos(math.radians(min(edge_lat + reach_deg, 90)))
    reach_lon = min(180.0, reach_deg / cosine) if cosine > 1e-9 else 180.0
    first = math.floor((centre.lon - reach_lon + 180) / 360 * count)
    last = math.floor((centre.lon + reach_lon + 180) / 360 * count)
    return np.unique(np.arange(first, min(last, first + count - 1) + 1) % count)


def _distances_km(centre: Coordinate, lats: Floats, lons: Floats) -> Floats:
    """Return haversine distances, as euguess.geography.geodesy does, but vectorised."""
    half_dlat = np.radians(lats - centre.lat) / 2
    half_dlon = np.radians(lons - centre.lon) / 2
    cosines = np.cos(np.radians(centre.lat)) * np.cos(np.radians(lats))
    chord = np.sin(half_dlat) ** 2 + cosines * np.sin(half_dlon) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(chord, 1))))


def _ring(centre: Coordinate, radius_km: float) -> tuple[Floats, Floats]:
    """Return 32 points around a coordinate, in the flat approximation; none beyond the poles."""
    bearings = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    lats = np.clip(centre.lat + radius_km / DEG_KM * np.cos(bearings), -89.9, 89.9)
    lons = centre.lon + radius_km / DEG_KM * np.sin(bearings) / np.cos(np.radians(lats))
    return lats, (lons + 180) % 360 - 180
