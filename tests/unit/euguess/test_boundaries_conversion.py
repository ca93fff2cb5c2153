"""Conversion of TopoJSON to the packaged boundaries."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from shapely.geometry.base import BaseGeometry
from typer import Typer
from typer.testing import CliRunner

from euguess.geography.boundaries import load_boundaries
from euguess.geography.boundary_conversion import convert, read_territories
from euguess.geography.locations import Coordinate

SCALE, WEST, SOUTH = 0.1, -180.0, -90.0


def arc(*points: tuple[float, float]) -> list[list[int]]:
    """Encode a line of (lon, lat) as TopoJSON does: as differences on a grid."""
    grid = np.round((np.array(points) - (WEST, SOUTH)) / SCALE).astype(int)
    steps: list[list[int]] = np.diff(grid, axis=0, prepend=[[0, 0]]).tolist()
    return steps


def topology(arcs: list[list[list[int]]], *areas: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Topology",
        "transform": {"scale": [SCALE, SCALE], "translate": [WEST, SOUTH]},
        "arcs": arcs,
        "objects": {"countries": {"type": "GeometryCollection", "geometries": list(areas)}},
    }


def country(number: str | None, *rings: list[list[int]], name: str = "") -> dict[str, Any]:
    area = {"type": "MultiPolygon", "arcs": list(rings), "properties": {"name": name}}
    return area if number is None else area | {"id": number}


def box_arc(west: float, south: float, east: float, north: float) -> list[list[int]]:
    return arc((west, south), (east, south), (east, north), (west, north), (west, south))


def single(number: str | None, *bounds: float, name: str = "") -> dict[str, BaseGeometry]:
    west, south, east, north = bounds
    arcs = [box_arc(west, south, east, north)]
    return read_territories(topology(arcs, country(number, [[0]], name=name)))


def test_a_shared_border_is_the_same_line_on_both_sides() -> None:
    border = arc((6, 45), (7, 48), (6, 50))
    west, east = arc((6, 50), (2, 48), (6, 45)), arc((6, 50), (9, 48), (6, 45))
    both = topology([border, west, east], country("250", [[0, 1]]), country("276", [[~0, ~2]]))
    territories = read_territories(both)
    shared = shapely.intersection(territories["FR"], territories["DE"])
    assert shapely.area(shared) == 0
    assert shared.equals(shapely.LineString([(6, 45), (7, 48), (6, 50)]))


def test_holes_are_kept() -> None:
    arcs = [box_arc(10, 40, 14, 44), box_arc(12, 42, 13, 43)]
    territory = read_territories(topology(arcs, country("380", [[0], [1]])))["IT"]
    assert shapely.area(shapely.intersection(territory, shapely.box(12, 42, 13, 43))) < 1e-9
    assert shapely.contains_xy(territory, 11, 41)


@pytest.mark.parametrize(
    ("place", "number", "bounds"),
    [
        ("French Guiana", "250", (-54, 3, -52, 5)),
        ("Réunion", "250", (55, -21.5, 56, -20.5)),
        ("Canary Islands", "724", (-18, 27.5, -13, 29.5)),
        ("Ceuta", "724", (-5.4, 35.8, -5.2, 35.9)),
        ("Melilla", "724", (-3, 35.2, -2.9, 35.3)),
        ("Azores", "620", (-25.4, 36.5, -25.0, 38)),
        ("Madeira", "620", (-17.3, 32.6, -16.6, 33.2)),
        ("Svalbard", "578", (11, 76, 30, 81)),
        ("Bear Island", "578", (18.8, 74.3, 19.3, 74.6)),
        ("Jan Mayen", "578", (-9.1, 70.8, -7.9, 71.2)),
        ("Bonaire", "528", (-68.4, 12, -68.2, 12.3)),
        ("Greenland, a code of its own", "304", (-50, 60, -40, 70)),
    ],
)
def test_overseas_territory_is_cut_off(place: str, number: str, bounds: tuple[float, ...]) -> None:
    assert single(number, *bounds) == {}, place


@pytest.mark.parametrize(
    ("place", "number", "bounds", "code"),
    [
        ("Corsica", "250", (8.6, 41.4, 9.5, 43), "FR"),
        ("Balearic Islands", "724", (2.4, 39.3, 3.4, 39.9), "ES"),
        ("Tarifa, Spain's southern tip", "724", (-5.9, 36.0, -5.4, 36.3), "ES"),
        ("Crete", "300", (23.6, 34.9, 26.3, 35.6), "GR"),
        ("Åland", "248", (19.5, 60, 20.5, 60.4), "FI"),
        ("North Cape", "578", (25.5, 70.5, 26, 71.1), "NO"),
    ],
)
def test_european_islands_and_tips_are_kept(
    place: str, number: str, bounds: tuple[float, float, float, float], code: str
) -> None:
    territory = single(number, *bounds)[code]
    assert shapely.area(territory) == pytest.approx(shapely.area(shapely.box(*bounds))), place


@pytest.mark.parametrize(
    ("name", "code"),
    [("Kosovo", "XK"), ("N. Cyprus", "XZ"), ("Cyprus U.N. Buffer Zone", "XZ"), ("Dhekelia", "XZ")],
)
def test_areas_without_a_number_get_a_user_assigned_code(name: str, code: str) -> None:
    assert list(single(None, 20, 42, 21, 43, name=name)) == [code]


def test_a_ring_over_the_antimeridian_does_not_cover_europe() -> None:
    ring = arc((170, 65), (180, 66), (-170, 66), (-170, 68), (180, 69), (170, 65))
    mainland = box_arc(30, 60, 40, 65)
    russia = read_territories(topology([ring, mainland], country("643", [[0]], [[1]])))["RU"]
    assert russia.bounds == pytest.approx((30, 60, 40, 65))


def test_islets_that_collapse_on_the_grid_are_left_out() -> None:
    arcs = [box_arc(10, 55, 11, 56), arc((12, 55), (12.1, 55), (12, 55))]
    denmark = read_territories(topology(arcs, country("208", [[0]], [[1]])))["DK"]
    assert shapely.get_num_geometries(denmark) == 1


def test_the_vatican_is_cut_out_of_italy() -> None:
    territories = single("380", 12, 41, 13, 42)
    assert shapely.contains_xy(territories["VA"], 12.4534, 41.9029)
    assert not shapely.intersects_xy(territories["IT"], 12.4534, 41.9029)


@pytest.fixture
def command() -> Typer:
    app = Typer()
    app.command()(convert)
    return app


def test_the_command_writes_a_file_that_loads(command: Typer, tmp_path: Path) -> None:
    source, target = tmp_path / "source.json", tmp_path / "target.parquet"
    source.write_text(json.dumps(topology([box_arc(2, 46, 4, 48)], country("250", [[0]]))))
    result = CliRunner().invoke(command, [str(source), str(target)])
    assert result.exit_code == 0, result.output
    assert load_boundaries(target).locate(Coordinate(47, 3)) == "FR"


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"objects": {}}'])
def test_the_command_refuses_another_file_in_one_sentence(
    command: Typer, tmp_path: Path, content: str
) -> None:
    source = tmp_path / "source.json"
    source.write_text(content)
    result = CliRunner().invoke(command, [str(source), str(tmp_path / "target.parquet")])
    assert result.exit_code == 2
    assert "not TopoJSON" in result.output
    assert "Traceback" not in result.output
