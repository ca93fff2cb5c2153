"""What must stay together in a split: units and the groups that they form."""

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
    """Images or locations: one entry per unit in all but of_view, which has one per view."""

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
    """Every image for itself."""
    rows = np.arange(len(index))
    return Units(index.country_codes, index.lats, index.lons, rows, rows, rows, 0.0)


def location_units(index: ViewIndex, *, buffer_km: float = 0.0) -> Units:
    """Locations, grouped where they share a photo or lie within buffer_km (0: no distance).

    A panorama in common, and a photo that is a copy by its perceptual hash, count as shared.
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
    """Locations, grouped by block of land, and where they share a photo."""
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
    """Row and column of the block of each place: squares of about block_km a side, (N, 2)."""
    km_per_degree = np.pi / 180 * EARTH_RADIUS_KM
    rows = np.floor(lats * km_per_degree / block_km)
    middles = np.radians((rows + 0.5) * block_km / km_per_degree)
    columns = np.floor(lons * km_per_degree * np.cos(middles) / block_km)
    return np.stack([rows, columns], axis=1).astype(np.int64)


def _identities(index: ViewIndex) -> list[Strings]:
    """Columns of which two locations must not share a value across parts."""
    return [index.sha256s] + ([] if index.panorama_ids is None else [index.panorama_ids])


def _shared(names: Strings, locations: Rows) -> NDArray[np.int64]:
    """Pairs of locations that have a name in common: neighbours in the order of names."""
    order = np.argsort(names, kind="stable")
    same = names[order][1:] == names[order][:-1]
    pairs = np.stack([locations[order][:-1], locations[order][1:]], axis=1)
    return np.asarray(pairs[same], dtype=np.int64)


def _components(links: NDArray[np.int64], count: int) -> Rows:
    ones = np.ones(len(links), dtype=np.int8)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
