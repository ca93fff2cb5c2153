"""Trees, shrubs and hedges."""

import math
from random import Random

from services.simulator.scenes.cues import RGB
from services.simulator.scenes.polygons import PolygonBuilder, billboard, shaded

TRUNK = (92, 74, 58)
BIRCH_BARK = (218, 216, 208)

Outline = list[tuple[float, float]]


def add_tree(
    builder: PolygonBuilder, kind: str, at: tuple[float, float], foliage: RGB, random: Random
) -> None:
    """Add a tree of a kind at (s, t)."""
    size = math.exp(random.gauss(0, 0.25))
    height, width, stem = (size * metres for metres in _SIZES[kind])
    tone = shaded(foliage, random.uniform(0.75, 1.2))
    distance_m = math.hypot(*at)
    if stem:
        trunk = [(-0.15, 0.0), (0.15, 0.0), (0.15, stem * 1.3), (-0.15, stem * 1.3)]
        bark = BIRCH_BARK if kind == "birch" else TRUNK
        builder.add(billboard(*at, trunk), bark, distance_m)
    crown = _cone if kind == "conifer" else _blob
    builder.add(billboard(*at, crown(width, stem, height, random)), tone, distance_m)
    if kind not in ("conifer", "hedge"):
        lit = crown(width * 0.55, (stem + height) / 2, height * 0.97, random)
        builder.add(billboard(*at, lit), shaded(tone, 1.15), distance_m)


# Height, width and height of the bare trunk, in metres.
_SIZES = {
    "broadleaf": (9.0, 7.5, 2.2),
    "birch": (11.0, 4.5, 3.5),
    "conifer": (13.0, 5.0, 1.0),
    "poplar": (16.0, 3.2, 1.5),
    "cypress": (10.0, 1.8, 0.3),
    "olive": (4.5, 5.0, 1.3),
    "shrub": (1.3, 2.2, 0.0),
    "hedge": (2.0, 9.0, 0.0),
}


def _blob(width: float, low: float, high: float, random: Random) -> Outline:
    """Return the outline of a ragged ellipse."""
    middle, half = (low + high) / 2, (high - low) / 2
    outline = []
    for i in range(9):
        angle, reach = 2 * math.pi * i / 9, random.uniform(0.82, 1.1)
        outline.append(
            (math.sin(angle) * width / 2 * reach, middle + math.cos(angle) * half * reach)
        )
    return outline


def _cone(width: float, low: float, high: float, random: Random) -> Outline:
    """Return the outline of a fir with three tiers."""
    right = []
    for tier in range(3):
        z = low + (high - low) * tier / 3
        reach = width / 2 * (1 - tier / 3.6) * random.uniform(0.9, 1.1)
        right += [(reach, z), (reach * 0.55, z + (high - low) / 3.2)]
    return [*right, (0.0, high), *[(-x, z) for x, z in reversed(right)]]
