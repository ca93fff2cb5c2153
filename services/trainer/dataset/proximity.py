"""Distances between many locations, and a spatial index of them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from euguess.geography.geodesy import EARTH_RADIUS_KM
from services.trainer.dataset.view_index import Floats, Rows


def distances_km(
    lats_a: ArrayLike, lons_a: ArrayLike, lats_b: ArrayLike, lons_b: ArrayLike
) -> Floats:
    """Return great-circle distances (haversine), element by element; coordinates in degrees."""
    phi_a, phi_b = np.radians(lats_a), np.radians(lats_b)
    half_dlon = (np.radians(lons_b) - np.radians(lons_a)) / 2
    chord = (
        np.sin((phi_b - phi_a) / 2) ** 2 + np.cos(phi_a) * np.cos(phi_b) * np.sin(half_dlon) ** 2
    )
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.minimum(1.0, np.sqrt(chord))))


FAR_AWAY = 10.0  # earth radii: distance of unknown positions from the earth and each other


@dataclass(frozen=True)
class SpatialIndex:
    """Points on the unit sphere, searchable by distance."""

    points: Floats  # (N, 3)

    @classmethod
    def of(cls, lats: Floats, lons: Floats) -> "SpatialIndex":
        """Index coordinates in degrees; an unknown position (NaN) is near nothing."""
        phi, lam = np.radians(lats), np.radians(lons)
        parts = (np.cos(phi) * np.cos(lam), np.cos(phi) * np.sin(lam), np.sin(phi))
        points = np.stack(parts, axis=1)
        unknown = np.flatnonzero(np.isnan(points).any(axis=1))
        points[unknown] = 0.0
        points[unknown, 0] = FAR_AWAY * (1 + np.arange(len(unknown)))
        return cls(points)

    def pairs_within_km(self, km: float) -> NDArray[np.int64]:
        """Return all pairs (i < j) at most km apart, shape (P, 2)."""
        tree = cKDTree(self.points)
        return np.asarray(tree.query_pairs(_chord(km), output_type="ndarray"), dtype=np.int64)

    def nearest(self, others: Rows, rows: Rows, km: float) -> Rows:
        """Return the nearest of others to each of rows if at most km away, else -1."""
        if not len(others):
            return np.full(len(rows), -1, dtype=np.int64)
        tree = cKDTree(self.points[others])
        _, found = tree.query(self.points[rows], distance_upper_bound=np.nextafter(_chord(km), 3))
        padded = np.append(others, -1)  # the tree returns len(others) if nothing is near
        return np.asarray(padded[found], dtype=np.int64)


def _chord(km: float) -> float:
    """Return the chord of the unit sphere between points km apart on the earth's surface."""
    return float(2 * np.sin(min(km / (2 * EARTH_RADIUS_KM), np.pi / 2)))
