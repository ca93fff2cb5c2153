"""What must stay together in a split: units and the groups that they form."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from services.trainer.proximity import Neighbourhood
from services.trainer.view_index import Floats, Rows, Strings, ViewIndex


@dataclass(frozen=True)
class Units:
    """Images or locations: one entry per unit in all but of_view, which has one per view."""

    country_codes: Strings
    lats: Floats
    lons: Floats
    groups: Rows
    twins: Rows  # units with the same number share an image
    of_view: Rows
    buffer_km: float  # 0: groups cannot be cut

    def __len__(self) -> int:
        return len(self.groups)


def image_units(index: ViewIndex) -> Units:
    """Every image for itself."""
    rows = np.arange(len(index))
    return Units(index.country_codes, index.lats, index.lons, rows, rows, rows, 0.0)


def location_units(index: ViewIndex, *, buffer_km: float = 0.0) -> Units:
    """Locations, grouped where they share an image or lie within buffer_km (0: no distance)."""
    _, first, of_view = np.unique(index.location_ids, return_index=True, return_inverse=True)
    lats, lons = index.lats[first], index.lons[first]
    links = _shared_images(index.sha256s, of_view)
    twins = groups = _components(links, len(first))
    if buffer_km:
        near = Neighbourhood.of(lats, lons).pairs_within_km(buffer_km)
        groups = _components(np.concatenate([links, near]), len(first))
    return Units(index.country_codes[first], lats, lons, groups, twins, of_view, buffer_km)


def _shared_images(sha256s: Strings, locations: Rows) -> NDArray[np.int64]:
    """Pairs of locations that have an identical image: neighbours in the order of images."""
    order = np.argsort(sha256s, kind="stable")
    same = sha256s[order][1:] == sha256s[order][:-1]
    pairs = np.stack([locations[order][:-1], locations[order][1:]], axis=1)
    return np.asarray(pairs[same], dtype=np.int64)


def _components(links: NDArray[np.int64], count: int) -> Rows:
    ones = np.ones(len(links), dtype=np.int8)
    graph = coo_array((ones, (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
