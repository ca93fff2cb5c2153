"""Places of a dataset that a model has not learnt from."""

import numpy as np
from numpy.typing import NDArray

from euguess.messages.training import SeenViews
from services.trainer.dataset.copies import nearest_copies
from services.trainer.dataset.proximity import Neighbourhood
from services.trainer.dataset.view_index import Strings, ViewIndex


def unseen_places(index: ViewIndex, seen: SeenViews, apart_km: float = 0.0) -> Strings:
    """Sorted ids of the locations of which a model has seen nothing.

    Neither the location, nor a copy of any of its photos, nor, where apart_km is above zero,
    another place within that distance.
    """
    is_known = np.isin(index.location_ids, seen.location_ids) | np.isin(index.sha256s, seen.sha256s)
    if index.hashes is not None:
        is_known |= nearest_copies(index.hashes, np.array(seen.hashes, dtype=np.uint64)) >= 0
    if apart_km and seen.positions:
        is_known |= _is_near(index, seen, apart_km)
    return np.setdiff1d(index.location_ids, index.location_ids[is_known])


def _is_near(index: ViewIndex, seen: SeenViews, km: float) -> NDArray[np.bool_]:
    lats, lons = np.array(seen.positions).T
    places = Neighbourhood.of(np.append(lats, index.lats), np.append(lons, index.lons))
    known, rows = np.split(np.arange(len(lats) + len(index)), [len(lats)])
    return np.asarray(places.nearest(known, rows, km) >= 0)
