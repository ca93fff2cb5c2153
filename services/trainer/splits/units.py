"""Units of a split and the groups that must stay together."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from euguess.geography.geodesy import EARTH_RADIUS_KM
from services.trainer.dataset.copies import copy_pairs
from services.trainer.dataset.proximity import SpatialIndex
from services.trainer.dataset.view_index import Floats, Rows, Strings, ViewIndex


@dataclass(frozen=True)
class Units:
    """Images or locations: one entry per unit, except of_view, which has one per view."""

    country_codes: Strings
    lats: Floats
    lons: Floats
    groups: Rows
    twins: Rows  # units with the same number share a photo, a copy of one, or a panorama
    of_view: Rows
    buffer_km: float  # 0: groups cannot be cut

    def __len__(self) -> int:
        return len(self.groups)


def image_units(index: ViewIndex) -> Units:
    """Make every image a unit and a group of its own."""
    rows = np.arange(len(index))
    return Units(index.country_codes, index.lats, index.lons, rows, rows, rows, 0.0)


def location_units(index: ViewIndex, *, buffer_km: float = 0.0) -> Units:
    """Make units of locations, grouped if they share a photo or are within buffer_km (if > 0).

    A common panorama or a copy by perceptual hash also counts as a shared photo.
    """
    _, first, of_view = np.unique(index.location_ids, return_index=True, return_inverse=True)
    lats, lons = index.lats[first], index.lons[first]
    links = np.concatenate([_shared(names, of_view) for names in _identities(index)])
    if index.hashes is not None:
        links = np.concatenate([links, of_view[copy_pairs(index.hashes)]])
    twins = groups = _components(links, len(first))
    if buffer_km:
        near = SpatialIndex.of(lats, lons).pairs_within_km(buffer_km)
        groups = _components(np.concatenate([links, near]), len(first))
    return Units(index.country_codes[first], lats, lons, groups, twins, of_view, buffer_km)


def block_units(index: ViewIndex, *, block_km: float) -> Units:
    """Make units of locations, grouped by block of land and by shared photos."""
    units = location_units(index)
    known = np.flatnonzero(~np.isnan(units.lats) & ~np.isnan(units.lons))
    blocks = _blocks(units.lats[known], units.lons[known], block_km)
    order = np.lexsort(blocks.T)
    same = (blocks[order][1:] == blocks[order][:-1]).all(axis=1)
    neighbours = np.stack([known[order][:-1], known[order][1:]], axis=1)[same]
    _, first = np.unique(units.groups, return_index=True)
    together = np.stack([np.arange(len(units)), first[units.groups]], axis=1)
    groups = _components(np.concatenate([neighbours, together]), len(units))
    return replace(units, groups=groups)


def _blocks(lats: Floats, lons: Floats, block_km: float) -> Rows:
    """Return the row and column of each location's block, about block_km square: (N, 2)."""
    km_per_degree = np.pi / 180 * EARTH_RADIUS_KM
    rows = np.floor(lats * km_per_degree / block_km)
    middles = np.radians((rows + 0.5) * block_km / km_per_degree)
    columns = np.floor(lons * km_per_degree * np.cos(middles) / block_km)
    return np.stack([rows, columns], axis=1).astype(np.int64)


def _identities(index: ViewIndex) -> list[Strings]:
    """Return the columns whose values link two locations."""
    return [index.sha256s] + ([] if index.panorama_ids is None else [index.panorama_ids])


def _shared(names: Strings, locations: Rows) -> NDArray[np.int64]:
    """Return pairs of locations that share a name: neighbours when sorted by name."""
    order = np.argsort(names, kind="stable")
    same = names[order][1:] == names[order][:-1]
    pairs = np.stack([locations[order][:-1], locations[order][1:]], axis=1)
    return np.asarray(pairs[same], dtype=np.int64)


def _components(links: NDArray[np.int64], count: int) -> Rows:
    ones = np.ones(len(links), dtype=np.int8)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
