"""The scene around a camera, ready to be rendered at any heading."""

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from services.simulator.scenes.appearance import Appearance
from services.simulator.scenes.background import (
    Floats,
    Skyline,
    draw_background,
    draw_skylines,
    horizon_colour,
)
from services.simulator.scenes.buildings import House, add_house
from services.simulator.scenes.cues import ROOFS, WALLS
from services.simulator.scenes.polygons import Box, PolygonBuilder, Polygons, shaded
from services.simulator.scenes.roadside import (
    LANE_M,
    Road,
    add_cars,
    add_poles,
    add_posts,
    add_signs,
    add_surfaces,
    road_of,
)
from services.simulator.scenes.vegetation import add_tree

MOST_TREES = 60
HAZE_M = 450.0  # distance at which 63 % of a colour is haze, on a hazy day half of that


@dataclass(frozen=True, slots=True)
class Scene:
    """Directions count from true north; points are metres east, north and up."""

    background: NDArray[np.uint8]  # see background.draw_background
    skylines: tuple[tuple[Floats, tuple[int, int, int]], ...]  # elevations, colour
    points: Floats  # (n, 3)
    starts: NDArray[np.int64]
    colours: list[tuple[int, int, int]]
    seed: int


def build_scene(appearance: Appearance) -> Scene:
    polygons = _polygons(appearance).build()
    colours = _as_seen(appearance, _hazed(polygons, appearance))
    skylines = tuple(_skyline(appearance, line) for line in draw_skylines(appearance))
    return Scene(
        background=_as_seen(appearance, draw_background(appearance)),
        skylines=skylines,
        points=_to_world(polygons.points, appearance),
        starts=polygons.starts,
        colours=[(r, g, b) for r, g, b in colours.tolist()],
        seed=appearance.seed,
    )


def _polygons(appearance: Appearance) -> PolygonBuilder:
    random, builder = Random(appearance.seed), PolygonBuilder()
    road = road_of(appearance.cues, is_village=appearance.is_village, random=random)
    add_surfaces(builder, road, appearance.region.soil)
    if random.random() < 0.8:
        add_poles(builder, road, random)
    if not appearance.is_village:
        add_posts(builder, road)
    add_signs(builder, road, random)
    add_cars(builder, road, random)
    _add_houses(builder, road, appearance, random)
    _add_trees(builder, road, appearance, random)
    return builder


def _add_houses(
    builder: PolygonBuilder, road: Road, appearance: Appearance, random: Random
) -> None:
    """Add rows of houses along the road in a village, a few farms elsewhere."""
    for side in (-1, 1):
        s = random.uniform(-70, -50)
        while s < 80:
            width = random.uniform(8, 14)
            if random.random() < (0.7 if appearance.is_village else 0.08):
                _add_house(builder, road, appearance, (s, width, side), random)
            s += width + random.uniform(3, 12)


def _add_house(
    builder: PolygonBuilder,
    road: Road,
    appearance: Appearance,
    plot: tuple[float, float, int],
    random: Random,
) -> None:
    s, width, side = plot
    near = road.centre_m + side * (LANE_M + random.uniform(4, 9))
    t = sorted((near, near + side * random.uniform(7, 10)))
    body = Box((s, s + width), (t[0], t[1]), random.choice((3.2, 6.0, 6.4)))
    roof, roof_deg = ROOFS[appearance.cues.roof]
    tone = random.uniform(0.85, 1.1)
    wall = shaded(WALLS[appearance.cues.wall], tone)
    add_house(builder, House(body, wall, shaded(roof, random.uniform(0.85, 1.15)), roof_deg))


def _add_trees(builder: PolygonBuilder, road: Road, appearance: Appearance, random: Random) -> None:
    count = round(MOST_TREES * appearance.region.wooded * random.uniform(0.4, 1.0))
    for _ in range(count):
        t = road.centre_m + random.choice((-1, 1)) * (LANE_M + random.uniform(5, 45))
        at = (random.uniform(-100, 100), t)
        add_tree(
            builder, random.choice(appearance.region.trees), at, appearance.region.foliage, random
        )


def _hazed(polygons: Polygons, appearance: Appearance) -> Floats:
    # Flat surfaces have a sort key above 1 km instead of a distance, and get no haze.
    distances = np.where(polygons.distances_m < 1e3, polygons.distances_m, 0)[:, None]
    fade = 1 - np.exp(-distances / (HAZE_M * (1 - 0.5 * appearance.conditions.haze)))
    return np.asarray(polygons.colours + (horizon_colour(appearance) - polygons.colours) * fade)


def _as_seen(appearance: Appearance, colours: Floats) -> NDArray[np.uint8]:
    return np.clip(appearance.conditions.apply(colours), 0, 255).astype(np.uint8)


def _skyline(appearance: Appearance, line: Skyline) -> tuple[Floats, tuple[int, int, int]]:
    red, green, blue = _as_seen(appearance, np.array([line.colour], dtype=np.float32))[0].tolist()
    return line.elevations, (red, green, blue)


def _to_world(points: Floats, appearance: Appearance) -> Floats:
    """Convert from the road's frame to east, north, up; the road bends with the square of s."""
    s, z = points[:, 0], points[:, 2]
    t = points[:, 1] + appearance.bend * s**2
    azimuth = np.radians(np.float32(appearance.road_azimuth))
    east = s * np.sin(azimuth) + t * np.cos(azimuth)
    north = s * np.cos(azimuth) - t * np.sin(azimuth)
    return np.stack([east, north, z], axis=1)
