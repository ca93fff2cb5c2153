"""Houses with walls, gable roofs and windows."""

import math
from dataclasses import dataclass

from services.simulator.scenes.cues import RGB
from services.simulator.scenes.polygons import GROUND, Box, Point, PolygonBuilder, shaded, upright_t

WINDOW = (72, 84, 98)


@dataclass(frozen=True, slots=True)
class House:
    """A box with a gable roof whose ridge runs along the road."""

    body: Box
    wall: RGB
    roof: RGB
    roof_deg: float


def add_house(builder: PolygonBuilder, house: House) -> None:
    """Add the visible sides: gable, road-side wall with windows, road-side roof."""
    body, distance_m = house.body, house.body.distance_m
    eaves = GROUND + body.height
    depth = (body.t[1] - body.t[0]) / 2
    ridge: Point = (
        0.0,
        (body.t[0] + body.t[1]) / 2,
        eaves + depth * math.tan(math.radians(house.roof_deg)),
    )
    if body.s[0] > 0 or body.s[1] < 0:
        builder.add(_gable(body, ridge), shaded(house.wall, 0.78), distance_m)
    z = (GROUND, eaves)
    builder.add(upright_t(body.near_t, body.s, z), house.wall, distance_m)
    for window in _windows(body):
        builder.add(window, WINDOW, distance_m)
    # The roof is visible if its slope is steeper than the line of sight to the eaves.
    if ridge[2] - eaves > depth * max(0.0, eaves) / abs(body.near_t):
        builder.add(_roof(body, ridge), house.roof, distance_m)


def _gable(body: Box, ridge: Point) -> list[Point]:
    s, eaves = body.near_s, GROUND + body.height
    low = [(s, body.t[0], GROUND), (s, body.t[1], GROUND)]
    return [*low, (s, body.t[1], eaves), (s, ridge[1], ridge[2]), (s, body.t[0], eaves)]


def _roof(body: Box, ridge: Point) -> list[Point]:
    (s0, s1), eaves, overhang = body.s, GROUND + body.height, 0.4
    low = [(s0 - overhang, body.near_t, eaves - 0.2), (s1 + overhang, body.near_t, eaves - 0.2)]
    return [*low, (s1 + overhang, *ridge[1:]), (s0 - overhang, *ridge[1:])]


def _windows(body: Box) -> list[list[Point]]:
    """Return one row of windows per 3 m storey, on the road-side wall."""
    width = body.s[1] - body.s[0]
    count = max(2, round(width / 3.5))
    rows = [GROUND + 1.0 + 3 * storey for storey in range(int(body.height // 3))]
    lefts = [body.s[0] + width * (i + 0.3) / count for i in range(count)]
    return [upright_t(body.near_t, (s, s + 1.1), (z, z + 1.4)) for z in rows for s in lefts]
