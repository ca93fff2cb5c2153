"""Build the packaged boundaries from Natural Earth 1:10m, the TopoJSON of the package world-atlas.

npm pack world-atlas && tar xzf world-atlas-*.tgz
python -m euguess.geography.boundary_conversion package/countries-10m.json OUTPUT.parquet

Overseas territories are cut off: only what lies in Europe counts as a country's territory.
"""

import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import shapely
import typer
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon, box
from shapely.geometry.base import BaseGeometry

from euguess.geography.boundary_files import write_boundary_file

# Longitude and latitude of the part of the world that is kept, neighbours included.
WINDOW = box(-25.5, 33.5, 51.0, 72.0)

MIN_RING_POINTS = 4  # islets can collapse to less when coordinates are quantised

# ISO 3166-1 numeric to alpha-2: the countries of the presets and whatever borders on them.
CODES = {
    "008": "AL", "020": "AD", "040": "AT", "056": "BE", "070": "BA", "100": "BG", "191": "HR",
    "196": "CY", "203": "CZ", "208": "DK", "233": "EE", "246": "FI", "248": "FI", "250": "FR",
    "276": "DE", "292": "GI", "300": "GR", "336": "VA", "348": "HU", "352": "IS", "372": "IE",
    "380": "IT", "428": "LV", "438": "LI", "440": "LT", "442": "LU", "470": "MT", "492": "MC",
    "498": "MD", "499": "ME", "528": "NL", "578": "NO", "616": "PL", "620": "PT", "642": "RO",
    "674": "SM", "688": "RS", "703": "SK", "705": "SI", "724": "ES", "752": "SE", "756": "CH",
    "792": "TR", "804": "UA", "807": "MK", "826": "GB", "831": "GG", "832": "JE", "833": "IM",
    "234": "FO", "112": "BY", "643": "RU", "268": "GE", "051": "AM", "031": "AZ", "364": "IR",
    "368": "IQ", "760": "SY", "504": "MA", "012": "DZ", "788": "TN", "398": "KZ", "422": "LB",
}  # fmt: skip

# Areas without an ISO code. Kosovo has the widely used, user-assigned code XK; it is a neighbour
# and in no preset. Areas that Natural Earth keeps separate on Cyprus are in no country: XZ.
NAMED_CODES = {
    "Kosovo": "XK",
    "N. Cyprus": "XZ",
    "Cyprus U.N. Buffer Zone": "XZ",
    "Akrotiri": "XZ",
    "Dhekelia": "XZ",
}

# Areas inside the window to cut away, since they are outside Europe: (code, west, south, east,
# north).
CUT_AWAY = (
    ("ES", -19.0, 27.0, -12.0, 30.0),  # Canary Islands
    ("ES", -5.5, 34.0, -2.0, 35.97),  # Ceuta, Melilla and the rocks off Morocco
    ("PT", -32.0, 32.0, -15.0, 41.0),  # Azores and Madeira
    ("NO", -10.0, 70.0, -7.0, 72.0),  # Jan Mayen
)


# Smaller than the grid of world-atlas, on which it collapses; drawn by hand along its walls, to
# about 100 m. Without it, St Peter's Square would be in Italy.
VATICAN = Polygon(
    [
        (12.4457, 41.9015),
        (12.4490, 41.9003),
        (12.4535, 41.9002),
        (12.4570, 41.9010),
        (12.4584, 41.9025),
        (12.4575, 41.9040),
        (12.4555, 41.9070),
        (12.4520, 41.9074),
        (12.4480, 41.9050),
        (12.4457, 41.9025),
    ]
)


def convert(
    source: Annotated[Path, typer.Argument(help="countries-10m.json of world-atlas")],
    target: Annotated[Path, typer.Argument(help="Parquet file to write")],
) -> None:
    """Convert world-atlas TopoJSON to the boundaries that EUGuess ships."""
    try:
        territories = read_territories(json.loads(source.read_text("utf-8")))
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise typer.BadParameter(f"{source} is not TopoJSON of world-atlas: {error}") from None
    write_boundary_file(target, territories)


def read_territories(topology: dict[str, Any]) -> dict[str, BaseGeometry]:
    """Return European territory in WGS84 degrees (lon, lat) by country code, sorted by code."""
    arcs = _decode_arcs(topology)
    parts: dict[str, list[BaseGeometry]] = {}
    for area in topology["objects"]["countries"]["geometries"]:
        code = CODES.get(area.get("id", "")) or NAMED_CODES.get(area["properties"]["name"])
        if code is not None:
            parts.setdefault(code, []).append(_geometry(area, arcs))
    territories = {code: _european_part(code, areas) for code, areas in parts.items()}
    if "IT" in territories:
        territories["IT"] = shapely.difference(territories["IT"], VATICAN)
        territories["VA"] = VATICAN
    return {code: area for code, area in sorted(territories.items()) if shapely.area(area) > 0}


def _decode_arcs(topology: dict[str, Any]) -> list[NDArray[np.float64]]:
    """Decode arcs to arrays (n, 2) of lon, lat; TopoJSON stores quantised differences."""
    scale, translate = topology["transform"]["scale"], topology["transform"]["translate"]
    return [np.cumsum(arc, axis=0) * scale + translate for arc in topology["arcs"]]


def _geometry(area: dict[str, Any], arcs: list[NDArray[np.float64]]) -> BaseGeometry:
    polygons = [area["arcs"]] if area["type"] == "Polygon" else area["arcs"]
    shapes = []
    for rings in polygons:
        outer, *holes = (_ring(ring, arcs) for ring in rings)
        if len(outer) >= MIN_RING_POINTS:
            shapes.append(Polygon(outer, [hole for hole in holes if len(hole) >= MIN_RING_POINTS]))
    return shapely.make_valid(MultiPolygon(shapes))


def _ring(indices: list[int], arcs: list[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Join arcs; a negative index ~i means arc i reversed. Neighbours share their end point.

    Rings jump by 360 degrees at the antimeridian: unless unwrapped, Chukotka covers Scandinavia.
    """
    pieces = [arcs[i] if i >= 0 else arcs[~i][::-1] for i in indices]
    ring = np.concatenate([pieces[0], *(piece[1:] for piece in pieces[1:])])
    lons = np.unwrap(ring[:, 0], period=360)
    return np.column_stack([lons - 360 * np.round(lons.mean() / 360), ring[:, 1]])


def _european_part(code: str, parts: list[BaseGeometry]) -> BaseGeometry:
    territory = shapely.intersection(shapely.union_all(parts), WINDOW)
    for cut_code, west, south, east, north in CUT_AWAY:
        if cut_code == code:
            territory = shapely.difference(territory, box(west, south, east, north))
    return MultiPolygon([part for part in shapely.get_parts(territory) if part.area > 0])


if __name__ == "__main__":
    typer.run(convert)
