"""Country outlines for maps, and colours that differ between neighbours."""

import functools
import json
from collections.abc import Mapping
from importlib import resources
from typing import Any

import shapely
from shapely.geometry.base import BaseGeometry

from dashboard.charts.palette import MAP_COLOURS
from euguess.geography.boundary_files import read_boundary_file
from euguess.geography.countries import COUNTRIES

TOLERANCE_DEG = 0.02  # 2 km; 40 countries are 250 kB
NEAR_DEG = 3.0  # countries this close, also across a sea, look like neighbours
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
    """Assign each country a colour that differs from those of its neighbours.

    Where possible it also differs from those of countries within NEAR_DEG.
    """
    found: dict[str, str] = {}
    areas = outlines()
    for code in sorted(areas, key=lambda code: -areas[code].area):
        beside, near = (
            [found[other] for other in found if shapely.dwithin(areas[code], areas[other], degrees)]
            for degrees in (NEIGHBOUR_DEG, NEAR_DEG)
        )
        used = (beside, near, list(found.values()))
        found[code] = min(MAP_COLOURS, key=lambda colour: [taken.count(colour) for taken in used])
    return found
