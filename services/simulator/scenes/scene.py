"""The scene of a place: everything around the camera, ready to be looked at."""

from dataclasses import dataclass
from random import Random

import numpy as np
from numpy.typing import NDArray

from services.simulator.scenes.backdrop import (
    Floats,
    Skyline,
    draw_backdrop,
    draw_skylines,
    horizon_colour,
)
from services.simulator.scenes.buildings import House, add_house
from services.simulator.scenes.looks import Place
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
from services.simulator.scenes.solids import Box, Polygons, Sketch, shaded
from services.simulator.scenes.styles import ROOFS, WALLS
from services.simulator.scenes.vegetation import add_tree

MOST_TREES = 60
HAZE_M = 450.0  # distance at which 63 % of a colour is haze, on a hazy day half of that


@dataclass(frozen=True, slots=True)
class Scene:
    """Directions are true ones (north is 0); points are metres east, north, up."""

    backdrop: NDArray[np.uint8]  # see backdrop.draw_backdrop
    skylines: tuple[tuple[Floats, tuple[int, int, int]], ...]  # elevations, colour
    points: Floats  # (n, 3)
    starts: NDArray[np.int64]
    colours: list[tuple[int, int, int]]
    seed: int


def build_scene(place: Place) -> Scene:
    polygons = _sketch(place).polygons()
    colours = _as_seen(place, _hazed(polygons, place))
    skylines = tuple(_skyline(place, line) for line in draw_skylines(place))
    return Scene(
        backdrop=_as_seen(place, draw_backdrop(place)),
        skylines=skylines,
        points=_to_world(polygons.points, place),
        starts=polygons.starts,
        colours=[(r, g, b) for r, g, b in colours.tolist()],
        seed=place.seed,
    )


def _sketch(place: Place) -> Sketch:
    random, sketch = Random(place.seed), Sketch()
    road = road_of(place.style, is_village=place.is_village, random=random)
    add_surfaces(sketch, road, place.region.soil)
    if random.random() < 0.8:
        add_poles(sketch, road, random)
    if not place.is_village:
        add_posts(sketch, road)
    add_signs(sketch, road, random)
    add_cars(sketch, road, random)
    _add_houses(sketch, road, place, random)
    _add_trees(sketch, road, place, random)
    return sketch


def _add_houses(sketch: Sketch, road: Road, place: Place, random: Random) -> None:
    """Rows along the road in a village, a farm elsewhere."""
    for side in (-1, 1):
        s = random.uniform(-70, -50)
        while s < 80:
            width = random.uniform(8, 14)
            if random.random() < (0.7 if place.is_village else 0.08):
                _add_house(sketch, road, place, (s, width, side), random)
            s += width + random.uniform(3, 12)


def _add_house(
    sketch: Sketch,
    road: Road,
    place: Place,
    plot: tuple[float, float, int],
    random: Random,
) -> None:
    s, width, side = plot
    near = road.centre_m + side * (LANE_M + random.uniform(4, 9))
    t = sorted((near, near + side * random.uniform(7, 10)))
    body = Box((s, s + width), (t[0], t[1]), random.choice((3.2, 6.0, 6.4)))
    roof, roof_deg = ROOFS[place.style.roof]
    tone = random.uniform(0.85, 1.1)
    wall = shaded(WALLS[place.style.wall], tone)
    add_house(sketch, House(body, wall, shaded(roof, random.uniform(0.85, 1.15)), roof_deg))


def _add_trees(sketch: Sketch, road: Road, place: Place, random: Random) -> None:
    count = round(MOST_TREES * place.region.wooded * random.uniform(0.4, 1.0))
    for _ in range(count):
        t = road.centre_m + random.choice((-1, 1)) * (LANE_M + random.uniform(5, 45))
        at = (random.uniform(-100, 100), t)
        add_tree(sketch, random.choice(place.region.trees), at, place.region.foliage, random)


def _hazed(polygons: Polygons, place: Place) -> Floats:
    # Surfaces carry a rank above 1 km instead of a distance: they take no haze.
    distances = np.where(polygons.distances_m < 1e3, polygons.distances_m, 0)[:, None]
    fade = 1 - np.exp(-distances / (HAZE_M * (1 - 0.5 * place.look.haze)))
    return np.asarray(polygons.colours + (horizon_colour(place) - polygons.colours) * fade)


def _as_seen(place: Place, colours: Floats) -> NDArray[np.uint8]:
    return np.clip(place.look.apply(colours), 0, 255).astype(np.uint8)


def _skyline(place: Place, line: Skyline) -> tuple[Floats, tuple[int, int, int]]:
    red, green, blue = _as_seen(place, np.array([line.colour], dtype=np.float32))[0].tolist()
    return line.elevations, (red, green, blue)


def _to_world(points: Floats, place: Place) -> Floats:
    """From the road's frame to east, north, up; the road bends with the square of s."""
    s, z = points[:, 0], points[:, 2]
    t = points[:, 1] + place.bend * s**2
    azimuth = np.radians(np.float32(place.road_azimuth))
    east = s * np.sin(azimuth) + t * np.cos(azimuth)
    north = s * np.cos(azimuth) - t * np.sin(azimuth)
    return np.stack([east, north, z], axis=1)
