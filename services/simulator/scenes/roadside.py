"""The road and the objects on and along it: markings, poles, posts, signs, cars."""

import math
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from services.simulator.scenes.cues import ASPHALTS, LINES, PLATES, POLES, RGB, SIGNS, Cues, Line
from services.simulator.scenes.polygons import (
    GROUND,
    Box,
    PolygonBuilder,
    add_box,
    level,
    shaded,
    upright_s,
)

LANE_M = 3.3
VISIBLE_M = 220.0
PAVEMENT = (172, 168, 162)
# Ends of road segments; segments near the camera are short, so that sorting by distance works.
STATIONS = (0.0, 3.0, 6.0, 10.0, 16.0, 26.0, 42.0, 70.0, 120.0, VISIBLE_M)
LINE_M = 0.22
METAL = (148, 150, 152)
TYRE = (38, 38, 42)
CAR_COLOURS: tuple[RGB, ...] = (
    (226, 226, 228),
    (48, 50, 56),
    (150, 154, 160),
    (168, 40, 38),
    (44, 70, 126),
)


@dataclass(frozen=True, slots=True)
class Road:
    """A two-lane road; its middle lies centre_m to the right of the camera."""

    cues: Cues
    centre_m: float
    is_village: bool

    @property
    def edges_m(self) -> tuple[float, float]:
        return self.centre_m - LANE_M, self.centre_m + LANE_M

    @property
    def own_side(self) -> int:
        """Return 1 where traffic keeps right, -1 where it keeps left."""
        return -1 if self.cues.side == "left" else 1


def road_of(cues: Cues, *, is_village: bool, random: Random) -> Road:
    """Place the camera car near the middle of its lane."""
    side = -1 if cues.side == "left" else 1
    return Road(cues, -side * (LANE_M / 2 + random.gauss(0, 0.25)), is_village)


def add_surfaces(builder: PolygonBuilder, road: Road, soil: RGB) -> None:
    """Add verges or pavements, asphalt and lines, flat on the ground."""
    left, right = road.edges_m
    verge, width = (PAVEMENT, 2.2) if road.is_village else (soil, 1.4)
    asphalt = ASPHALTS[road.cues.asphalt]
    for near, far in pairwise(STATIONS):
        for s in ((near, far), (-far, -near)):
            builder.add(level(GROUND, s, (left - width, right + width)), verge, far + 3e3)
            builder.add(level(GROUND, s, (left, right)), asphalt, far + 2e3)
    _add_line(builder, LINES[road.cues.centre], road.centre_m)
    for edge, inwards in ((left, 1), (right, -1)):
        _add_line(builder, LINES[road.cues.edge], edge + inwards * 0.25)


def _add_line(builder: PolygonBuilder, line: Line, t: float) -> None:
    offsets = (-0.2, 0.2) if line.is_double else (0.0,)
    for s in _dashes(line):
        for offset in offsets:
            across = (t + offset - LINE_M / 2, t + offset + LINE_M / 2)
            builder.add(level(GROUND, s, across), line.colour, 1e3)


def _dashes(line: Line) -> list[tuple[float, float]]:
    if not line.dash_m:
        return []
    if not line.gap_m:
        ends = [*(-station for station in reversed(STATIONS)), *STATIONS[1:]]
        return list(pairwise(ends))
    period, reach_m = line.dash_m + line.gap_m, 60.0
    count = int(reach_m / period)
    return [(i * period, i * period + line.dash_m) for i in range(-count, count)]


def add_poles(builder: PolygonBuilder, road: Road, random: Random) -> None:
    """Add a row of poles on one side, with the cross-arms of their kind."""
    side = random.choice((-1, 1))
    t = road.centre_m + side * (LANE_M + random.uniform(1.8, 4.0))
    spacing, first = random.uniform(28, 45), random.uniform(4, 30)
    for i in range(-3, 4):
        _add_pole(builder, road.cues.pole, (first + i * spacing, t), -side)


def _add_pole(builder: PolygonBuilder, kind: str, at: tuple[float, float], to_road: int) -> None:
    half, height = {"wood": (0.14, 8.5), "concrete": (0.22, 9.0), "steel": (0.09, 9.5)}[kind]
    (s, t), colour = at, POLES[kind]
    add_box(builder, Box((s - half, s + half), (t - half, t + half), height), colour)
    if kind == "steel":
        arm = sorted((t, t + to_road * 2.4))
        add_box(builder, Box((s - 0.1, s + 0.1), (arm[0], arm[1]), 0.2, base=height - 0.2), colour)
    else:
        arms = (7.6,) if kind == "wood" else (8.6, 7.8)
        for base in arms:
            add_box(builder, Box((s - 0.1, s + 0.1), (t - 1.1, t + 1.1), 0.22, base=base), colour)


def add_posts(builder: PolygonBuilder, road: Road) -> None:
    """Add white delineator posts with a dark band, as outside villages."""
    for side in (-1, 1):
        t = road.centre_m + side * (LANE_M + 0.9)
        for s in (-62, -37, -12, 13, 38, 63):
            post = Box((s, s + 0.14), (t - 0.07, t + 0.07), 1.0)
            add_box(builder, post, (230, 230, 226))
            add_box(builder, Box(post.s, post.t, 0.22, base=0.65), (40, 40, 44))


def add_signs(builder: PolygonBuilder, road: Road, random: Random) -> None:
    """Add signs on the side of each lane; oncoming traffic sees their backs."""
    for side in (road.own_side, -road.own_side):
        for _ in range(random.choice((0, 1, 1, 2))):
            s = random.uniform(6, 40) * random.choice((-1, 1))
            t = road.centre_m + side * (LANE_M + random.uniform(1.2, 2.5))
            faces_camera = (s > 0) == (side == road.own_side)
            _add_sign(builder, road.cues, (s, t), faces_camera=faces_camera)


def _add_sign(
    builder: PolygonBuilder, cues: Cues, at: tuple[float, float], *, faces_camera: bool
) -> None:
    s, t = at
    distance_m = math.hypot(s, t)
    add_box(builder, Box((s, s + 0.1), (t - 0.05, t + 0.05), 2.0), METAL)
    z = (GROUND + 1.9, GROUND + 3.1)
    colour = SIGNS[cues.sign] if faces_camera else METAL
    rim = shaded(colour, 0.55) if cues.sign == "yellow" else (236, 236, 236)
    builder.add(upright_s(s, (t - 1.0, t + 1.0), z), rim if faces_camera else METAL, distance_m)
    inner = (z[0] + 0.12, z[1] - 0.12)
    builder.add(upright_s(s, (t - 0.88, t + 0.88), inner), colour, distance_m)


def add_cars(builder: PolygonBuilder, road: Road, random: Random) -> None:
    """Add some cars: those in the own lane show their rear if ahead, their front if behind."""
    for lane in (1, -1):
        if random.random() < 0.5:
            s = random.uniform(8, 45) * random.choice((-1, 1))
            t = road.centre_m + lane * road.own_side * LANE_M / 2
            shows_rear = (s > 0) == (lane == 1)
            _add_car(
                builder, (s, t), random.choice(CAR_COLOURS), _plate(road, shows_rear=shows_rear)
            )


def _plate(road: Road, *, shows_rear: bool) -> RGB:
    """Return the colour of a plate; yellow ones are rear plates where traffic keeps left."""
    is_yellow = road.cues.plate == "yellow" and (shows_rear or road.own_side == 1)
    return PLATES["yellow" if is_yellow else "white"]


def _add_car(builder: PolygonBuilder, at: tuple[float, float], colour: RGB, plate: RGB) -> None:
    s, t = at
    body = Box((s - 2.1, s + 2.1), (t - 0.9, t + 0.9), 0.75, base=0.3)
    add_box(builder, Box(body.s, body.t, 0.3), TYRE)
    add_box(builder, body, colour)
    add_box(
        builder, Box((s - 1.2, s + 1.2), (t - 0.75, t + 0.75), 0.6, base=1.05), shaded(colour, 0.5)
    )
    z = (GROUND + 0.5, GROUND + 0.68)
    builder.add(upright_s(body.near_s, (t - 0.35, t + 0.35), z), plate, body.distance_m)
