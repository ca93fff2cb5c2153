"""Units of a split and the groups that must stay together."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.trainer.dataset.copies import copy_links
from services.trainer.dataset.proximity import SpatialIndex
from services.trainer.dataset.view_index import Floats, Rows, Strings, ViewIndex
from services.trainer.splits.blocks import block_names

# Chains of near locations are cut at the edges of blocks this many buffers wide.
BLOCK_PER_BUFFER = 8


@dataclass(frozen=True)
class Units:
    """Images or locations: one entry per unit, except of_view, which has one per view."""

    names: Strings  # the name that is drawn by
    country_codes: Strings
    lats: Floats
    lons: Floats
    groups: Rows
    of_view: Rows
    are_regions: bool = False  # groups may hold large shares of a country
    buffer_km: float = 0.0  # 0: groups may lie side by side

    def __len__(self) -> int:
        return len(self.groups)


def image_units(index: ViewIndex) -> Units:
    """Make every image a unit and a group of its own."""
    rows = np.arange(len(index))
    pairs = zip(index.location_ids, index.sha256s, strict=True)
    names = np.array([f"{location} {sha256}" for location, sha256 in pairs], dtype=np.str_)
    return Units(names, index.country_codes, index.lats, index.lons, rows, rows)


def location_units(index: ViewIndex) -> Units:
    """Make units of locations, grouped if they share a photo, a copy of one, or a panorama."""
    names, first, of_view = np.unique(index.location_ids, return_index=True, return_inverse=True)
    links = np.concatenate([_shared(values, of_view) for values in _identities(index)])
    if index.hashes is not None:
        links = np.concatenate([links, of_view[copy_links(index.hashes)]])
    groups = _components(links, len(first))
    lats, lons = index.lats[first], index.lons[first]
    return Units(names, index.country_codes[first], lats, lons, groups, of_view)


def block_units(index: ViewIndex, *, block_km: float) -> Units:
    """Make units of locations, grouped by block of land and by shared photos."""
    units = location_units(index)
    blocks = _blocks(units, block_km)
    links = _shared(blocks, np.arange(len(units)))
    groups = _components(np.concatenate([links, _together(units)]), len(units))
    return replace(units, names=blocks, groups=groups, are_regions=True)


def distant_units(index: ViewIndex, *, buffer_km: float) -> Units:
    """Make units of locations, grouped by shared photos and, within a block of land, by distance.

    Locations of a block that are at most buffer_km apart belong together, even if others lie
    between them.
    """
    units = location_units(index)
    blocks = _blocks(units, BLOCK_PER_BUFFER * buffer_km)
    near = SpatialIndex.of(units.lats, units.lons).pairs_within_km(buffer_km)
    links = near[blocks[near[:, 0]] == blocks[near[:, 1]]]
    groups = _components(np.concatenate([links, _together(units)]), len(units))
    return replace(units, groups=groups, are_regions=True, buffer_km=buffer_km)


def _blocks(units: Units, block_km: float) -> Strings:
    """Return the name of each unit's block; one of unknown position is a block of its own."""
    known = ~np.isnan(units.lats) & ~np.isnan(units.lons)
    lats, lons = units.lats[known], units.lons[known]
    blocks = units.names.astype(object)
    blocks[known] = block_names(lats, lons, units.country_codes[known], block_km)
    return blocks.astype(np.str_)


def _together(units: Units) -> NDArray[np.int64]:
    """Return pairs that link each unit with the first of its group."""
    _, first = np.unique(units.groups, return_index=True)
    return np.stack([np.arange(len(units)), first[units.groups]], axis=1)


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
