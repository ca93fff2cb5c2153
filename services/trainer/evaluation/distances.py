"""Distances from the true position to the predicted country."""

from functools import cache

import numpy as np

from euguess.geography.boundaries import Boundaries, load_boundaries
from euguess.messages.records import Interval
from services.trainer.dataset.view_index import Floats, Rows, ViewIndex
from services.trainer.evaluation.bootstrap import bootstrap_interval, median_interval
from services.trainer.evaluation.metrics import errors_km, geoscores, is_near


@cache
def country_centres(codes: tuple[str, ...]) -> Floats:
    """Return the centroid of each country: (C, 2) as lat, lon in degrees."""
    centres = [_boundaries().centroid(code) for code in codes]
    return np.array([(centre.lat, centre.lon) for centre in centres])


def distance_metrics(predictions: Rows, index: ViewIndex, centres: Floats) -> dict[str, Interval]:
    """Measure distances from the true position to the centroid of the predicted country.

    The result is empty if no position is known. In a large country, even the right prediction has
    an error of a few hundred km.
    """
    known = np.flatnonzero(~np.isnan(index.lats))
    if not len(known):
        return {}
    ids = index.location_ids[known]
    distances = errors_km(index.lats[known], index.lons[known], predictions[known], centres)
    return {
        "mean_error_km": bootstrap_interval(distances, ids),
        "median_error_km": median_interval(distances, ids),
        "geoscore": bootstrap_interval(geoscores(distances), ids),
        "accuracy_within_750_km": bootstrap_interval(is_near(distances), ids),
    }


@cache
def _boundaries() -> Boundaries:
    return load_boundaries()
