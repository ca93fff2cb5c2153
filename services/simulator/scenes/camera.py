"""A pinhole camera in a space of metres: x east, y north, z up, the camera at the origin."""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
NEAR_M = 0.3  # distance of the near plane; the ground is 2.5 m below the camera


@dataclass(frozen=True)
class PinholeCamera:
    """Angles in degrees; fov is horizontal; sides of the picture in pixels."""

    width: int
    height: int
    heading: float
    fov: float
    pitch: float

    @cached_property
    def focal_px(self) -> float:
        return self.width / 2 / math.tan(math.radians(self.fov) / 2)

    @cached_property
    def axes(self) -> Floats:
        """(3, 3) matrix whose columns are the directions right, up and forward."""
        h, p = math.radians(self.heading), math.radians(self.pitch)
        right = (math.cos(h), -math.sin(h), 0.0)
        up = (-math.sin(p) * math.sin(h), -math.sin(p) * math.cos(h), math.cos(p))
        forward = (math.cos(p) * math.sin(h), math.cos(p) * math.cos(h), math.sin(p))
        return np.array([right, up, forward], dtype=np.float32).T

    def to_camera(self, points: Floats) -> Floats:
        """Convert (n, 3) points to metres right, up and ahead."""
        return np.asarray(points @ self.axes)

    def to_pixels(self, points: Floats) -> Floats:
        """Project (n, 3) camera points beyond the near plane to (n, 2) pixels, y down."""
        scale = self.focal_px / np.maximum(points[:, 2], NEAR_M)
        x = self.width / 2 + points[:, 0] * scale
        y = self.height / 2 - points[:, 1] * scale
        return np.stack([x, y], axis=1)


def clipped(points: Floats) -> Floats:
    """Clip a convex polygon of camera points to the part beyond the near plane."""
    corners = points.tolist()  # plain floats are ten times faster for so few points
    kept: list[list[float]] = []
    for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
        if a[2] >= NEAR_M:
            kept.append(a)
        if (a[2] >= NEAR_M) != (b[2] >= NEAR_M):
            share = (NEAR_M - a[2]) / (b[2] - a[2])
            kept.append([a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share, NEAR_M])
    return np.array(kept, dtype=np.float32).reshape(-1, 3)


def directions(azimuths_deg: Floats, elevations_deg: Floats) -> Floats:
    """Return (n, 3) unit vectors; azimuth 0 is north, 90 is east."""
    a, e = np.radians(azimuths_deg), np.radians(elevations_deg)
    vectors = [np.sin(a) * np.cos(e), np.cos(a) * np.cos(e), np.sin(e)]
    return np.stack(vectors, axis=1).astype(np.float32)
