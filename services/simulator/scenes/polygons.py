"""Flat polygons and boxes that make up a scene, in the frame of the road.

Coordinates are metres (s, t, z): along the road, to its right, up. The camera is at the origin,
the ground at z = GROUND.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from services.simulator.scenes.cues import RGB

Point = tuple[float, float, float]
GROUND = -2.5  # the camera is 2.5 m above the road


@dataclass(frozen=True, slots=True)
class Polygons:
    """Polygons sorted from far to near; polygon i has points[starts[i]:starts[i + 1]]."""

    points: NDArray[np.float32]  # (n, 3)
    starts: NDArray[np.int64]  # (polygons + 1,)
    colours: NDArray[np.float32]  # (polygons, 3)
    distances_m: NDArray[np.float32]  # (polygons,)


class PolygonBuilder:
    """Collects polygons; those of one object share a distance and keep their order."""

    def __init__(self) -> None:
        self._points: list[Sequence[Point]] = []
        self._colours: list[RGB] = []
        self._distances: list[float] = []

    def add(self, points: Sequence[Point], colour: RGB, distance_m: float) -> None:
        self._points.append(points)
        self._colours.append(colour)
        self._distances.append(distance_m)

    def build(self) -> Polygons:
        order = sorted(range(len(self._points)), key=self._distances.__getitem__, reverse=True)
        points = [self._points[i] for i in order]
        lengths = [len(polygon) for polygon in points]
        flat = np.fromiter(chain.from_iterable(chain.from_iterable(points)), np.float32)
        return Polygons(
            points=flat.reshape(-1, 3),
            starts=np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]),
            colours=np.array([self._colours[i] for i in order], dtype=np.float32),
            distances_m=np.array([self._distances[i] for i in order], dtype=np.float32),
        )


@dataclass(frozen=True, slots=True)
class Box:
    """A cuboid whose bottom is `base` metres above the ground."""

    s: tuple[float, float]
    t: tuple[float, float]
    height: float
    base: float = 0.0

    @property
    def centre(self) -> Point:
        middle = GROUND + self.base + self.height / 2
        return (self.s[0] + self.s[1]) / 2, (self.t[0] + self.t[1]) / 2, middle

    @property
    def distance_m(self) -> float:
        return math.hypot(self.centre[0], self.centre[1])

    @property
    def near_s(self) -> float:
        """Coordinate along the road of the side that is nearer to the camera."""
        return min(self.s, key=abs)

    @property
    def near_t(self) -> float:
        return min(self.t, key=abs)


def shaded(colour: RGB, factor: float) -> RGB:
    return round(colour[0] * factor), round(colour[1] * factor), round(colour[2] * factor)


def upright_s(s: float, t: tuple[float, float], z: tuple[float, float]) -> list[Point]:
    """Return an upright rectangle across the road."""
    return [(s, t[0], z[0]), (s, t[1], z[0]), (s, t[1], z[1]), (s, t[0], z[1])]


def upright_t(t: float, s: tuple[float, float], z: tuple[float, float]) -> list[Point]:
    """Return an upright rectangle along the road."""
    return [(s[0], t, z[0]), (s[1], t, z[0]), (s[1], t, z[1]), (s[0], t, z[1])]


def level(z: float, s: tuple[float, float], t: tuple[float, float]) -> list[Point]:
    """Return a horizontal rectangle."""
    return [(s[0], t[0], z), (s[1], t[0], z), (s[1], t[1], z), (s[0], t[1], z)]


def add_box(builder: PolygonBuilder, box: Box, colour: RGB) -> None:
    """Add the sides of a box that the camera sees, at most three."""
    z = (GROUND + box.base, GROUND + box.base + box.height)
    distance_m = box.distance_m
    if box.s[0] > 0 or box.s[1] < 0:
        builder.add(upright_s(box.near_s, box.t, z), shaded(colour, 0.8), distance_m)
    if box.t[0] > 0 or box.t[1] < 0:
        builder.add(upright_t(box.near_t, box.s, z), colour, distance_m)
    if z[1] < 0:
        builder.add(level(z[1], box.s, box.t), shaded(colour, 1.1), distance_m)


def billboard(s: float, t: float, outline: Sequence[tuple[float, float]]) -> list[Point]:
    """Place an outline of (right, up) metres at (s, t), facing the camera."""
    distance = math.hypot(s, t)
    across_s, across_t = -t / distance, s / distance
    return [(s + x * across_s, t + x * across_t, GROUND + z) for x, z in outline]
