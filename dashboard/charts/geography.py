"""Country outlines for maps, and colours that differ between neighbours."""

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from dashboard.charts.palette import OKABE_ITO
from euguess.geography.boundary_files import read_boundary_file
from euguess.geography.countries import COUNTRIES

TOLERANCE_DEG = 0.02  # 2 km; 40 countries are 250 kB
NEIGHBOUR_DEG = 0.05  # after simplifying, borders are off by some kilometres
FRAME = (-25.0, 33.0, 45.5, 72.0)  # west, south, east, north; leaves out remote islands
PRECISION_DEG = 0.001


@functools.cache
def outlines() -> Mapping[str, BaseGeometry]:
    """Return simplified territories (lon, lat) of the known countries, by code."""
    packaged = resources.files("euguess") / "data" / "boundaries.parquet"
    with resources.as_file(packaged) as path:
        territories = read_boundary_file(path)
    known = {c.code: territories[c.code] for c in COUNTRIES if c.code in territories}
    return {code: _simplified(territory) for code, territory in known.items()}


def _simplified(territory: BaseGeometry) -> BaseGeometry:
    rough = shapely.simplify(shapely.clip_by_rect(territory, *FRAME), TOLERANCE_DEG)
    return shapely.set_precision(rough, PRECISION_DEG)


@functools.cache
def features() -> Mapping[str, Mapping[str, Any]]:
    """Return the outlines as GeoJSON, by code."""
    return {code: json.loads(shapely.to_geojson(area)) for code, area in outlines().items()}


@functools.cache
def colours() -> Mapping[str, str]:
    """Assign each country a colour that differs from its neighbours' where possible."""
    found: dict[str, str] = {}
    areas = outlines()
    by_size = sorted(areas, key=lambda code: -areas[code].area)
    for code in by_size:
        near = [o for o in found if shapely.dwithin(areas[code], areas[o], NEIGHBOUR_DEG)]
        taken = [found[other] for other in near]
        everywhere = list(found.values())
        found[code] = min(OKABE_ITO, key=lambda c: (taken.count(c), everywhere.count(c)))
    return found
