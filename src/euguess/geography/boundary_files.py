"""Read and write boundary files: GeoParquet or GeoJSON with a country code for each area."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import shapely
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from euguess.errors import InvalidInput

CODE_PROPERTIES = ("country_code", "ISO_A2_EH", "ISO_A2", "iso_a2", "CNTR_ID", "code")
CODE_COLUMN, GEOMETRY_COLUMN = "country_code", "geometry"


def read_boundary_file(path: Path) -> dict[str, BaseGeometry]:
    """Read territories (lon, lat) by ISO 3166-1 alpha-2 code; join areas of the same code.

    A .parquet file has the columns country_code and geometry (WKB); anything else is read as a
    GeoJSON FeatureCollection. Self-intersections are repaired. Raises InvalidInput naming the file
    and the area.
    """
    areas = _parquet_areas(path) if path.suffix == ".parquet" else _geojson_areas(path)
    parts: dict[str, list[BaseGeometry]] = {}
    for number, (code, geometry) in enumerate(areas, start=1):
        where = f"{path}: area {number}"
        parts.setdefault(_checked_code(code, where), []).append(_polygons(geometry, where))
    if not parts:
        raise InvalidInput(f"{path} has no areas.")
    return {code: _joined(shapes) for code, shapes in sorted(parts.items())}


def write_boundary_file(path: Path, territories: dict[str, BaseGeometry]) -> None:
    """Write GeoParquet 1.1 (degrees, lon and lat)."""
    column = {"encoding": "WKB", "geometry_types": ["Polygon", "MultiPolygon"]}
    geo = {
        "version": "1.1.0",
        "primary_column": GEOMETRY_COLUMN,
        "columns": {GEOMETRY_COLUMN: column},
    }
    shapes = [shapely.to_wkb(territory) for territory in territories.values()]
    table = pa.table({CODE_COLUMN: list(territories), GEOMETRY_COLUMN: shapes})
    table = table.replace_schema_metadata({"geo": json.dumps(geo)})
    pq.write_table(table, path, compression="zstd", compression_level=19)


def _parquet_areas(path: Path) -> Iterable[tuple[Any, BaseGeometry]]:
    try:
        table = pq.ParquetFile(path).read([CODE_COLUMN, GEOMETRY_COLUMN])
        shapes = shapely.from_wkb(table[GEOMETRY_COLUMN].to_pylist())
        return list(zip(table[CODE_COLUMN].to_pylist(), shapes, strict=True))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror or error}.") from None
    except (KeyError, TypeError, pa.ArrowException, ShapelyError):
        raise InvalidInput(
            f"{path} needs the columns {CODE_COLUMN} and {GEOMETRY_COLUMN} (WKB)."
        ) from None


def _geojson_areas(path: Path) -> Iterable[tuple[Any, Any]]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path}: {error.strerror}.") from None
    except ValueError as error:
        raise InvalidInput(f"{path} is not GeoJSON: {error}.") from None
    features = content.get("features") if isinstance(content, dict) else None
    if not isinstance(features, list):
        raise InvalidInput(f"{path} has no features; give a GeoJSON FeatureCollection.")
    return [_code_and_geometry(feature) for feature in features]


def _code_and_geometry(feature: Any) -> tuple[Any, Any]:
    if not isinstance(feature, dict):
        return None, None
    properties = feature.get("properties") or {}
    codes = (properties.get(name) for name in CODE_PROPERTIES)
    # Natural Earth writes "-99" where it has no code.
    return next((code for code in codes if _is_code(code)), None), feature.get("geometry")


def _is_code(code: Any) -> bool:
    return isinstance(code, str) and len(code) == 2 and code.isascii() and code.isalpha()


def _checked_code(code: Any, where: str) -> str:
    if not _is_code(code):
        raise InvalidInput(
            f"{where} has no two-letter country code; expected in one of "
            f"{', '.join(CODE_PROPERTIES)}."
        )
    return str(code).upper()


def _polygons(geometry: Any, where: str) -> BaseGeometry:
    try:
        repaired = shapely.make_valid(
            geometry if isinstance(geometry, BaseGeometry) else shape(geometry)
        )
    except (ShapelyError, LookupError, TypeError, ValueError, AttributeError):
        raise InvalidInput(f"{where} has an invalid geometry.") from None
    if not shapely.area(repaired):
        raise InvalidInput(f"{where} has no polygon.")
    west, south, east, north = repaired.bounds
    if west < -180 or south < -90 or east > 180 or north > 90:
        raise InvalidInput(f"{where} is not in degrees; convert the file to EPSG:4326.")
    return repaired


def _joined(shapes: list[BaseGeometry]) -> BaseGeometry:
    """Return the polygons of a geometry; repair can leave lines and points."""
    parts = shapely.get_parts(shapely.get_parts(shapes))
    return shapely.union_all([part for part in parts if shapely.area(part) > 0])
