"""Metrics of predictions. Log-probabilities have shape (N, C), labels are (N,) in 0..C-1.

All metrics have one rule for ties, that of `argmax`: of equally likely countries, the one with the
lowest label counts as the likelier. It is also the one that a served model names.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from euguess.images.postprocessing import log_softmax
from services.trainer.dataset.proximity import distances_km
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.errors import Diverged

TRAIN_MORE_SLOWLY = "Its training diverged; train again with a lower optimizer.learning_rate."
CHECK_WEIGHTS = "Check the weights file of the backbone."
NEAR_KM = 750.0  # the "country" radius of PlaNet and Im2GPS
BEST_GEOSCORE = 5000.0
GEOSCORE_DECAY_KM = 1492.7

LogProbabilities = NDArray[np.float64]
Confusion = NDArray[np.int64]  # [true label, predicted label]


def is_top(log_probabilities: LogProbabilities, labels: Rows, k: int) -> NDArray[np.bool_]:
    """Return whether the true country is among the k likeliest; never true in a row with NaN.

    For k = 1, it is true where the first maximum is the true country.
    """
    own = log_probabilities[np.arange(len(labels)), labels][:, None]
    is_before = np.arange(log_probabilities.shape[1]) < labels[:, None]
    is_likelier = (log_probabilities > own) | ((log_probabilities == own) & is_before)
    is_known = ~np.isnan(log_probabilities).any(axis=1)
    return np.asarray((is_likelier.sum(axis=1) < k) & is_known)


def require_finite(
    outputs: NDArray[np.floating], name: str, advice: str = TRAIN_MORE_SLOWLY
) -> None:
    """Raise Diverged if any value of `outputs` (one row per sample) is NaN or infinite."""
    broken = np.count_nonzero(~np.isfinite(outputs).all(axis=1))
    if broken:
        raise Diverged(
            f"{name} are not finite numbers for {broken} of {len(outputs)} samples. {advice}"
        )


def mean_of_batches(hits: NDArray[np.bool_], batch_size: int) -> float:
    """Compute the study's accuracy: the sum of batch accuracies over N / batch_size.

    A smaller last batch counts as much as a full one, so the accuracy is overstated.
    """
    batches = (hits[start : start + batch_size] for start in range(0, len(hits), batch_size))
    return float(sum(np.mean(batch) for batch in batches) * batch_size / len(hits))


def negative_log_likelihoods(log_probabilities: LogProbabilities, labels: Rows) -> Floats:
    """Return the negative log-likelihood of each sample in nats; its mean is the NLL."""
    return np.asarray(-log_probabilities[np.arange(len(labels)), labels])


def confusion_matrix(labels: Rows, predictions: Rows, num_countries: int) -> Confusion:
    """Count samples by (true, predicted) label."""
    cells = np.bincount(labels * num_countries + predictions, minlength=num_countries**2)
    return np.asarray(cells.reshape(num_countries, num_countries), dtype=np.int64)


def macro_recall(confusion: Confusion) -> float:
    """Return the mean recall over the countries that have samples."""
    support = confusion.sum(axis=1)
    seen = support > 0
    return float(np.mean(confusion.diagonal()[seen] / support[seen]))


@dataclass(frozen=True, slots=True)
class CountryScore:
    """One row of the per-country table; a ratio with denominator 0 is 0."""

    label: int
    support: int
    predicted: int
    recall: float
    precision: float
    f1: float


def country_table(confusion: Confusion) -> tuple[CountryScore, ...]:
    """Return the scores by country, in label order."""
    hits, support, predicted = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    recall = hits / np.maximum(support, 1)
    precision = hits / np.maximum(predicted, 1)
    f1 = 2 * hits / np.maximum(support + predicted, 1)
    columns = (support, predicted, recall, precision, f1)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return tuple(CountryScore(label, *row) for label, row in enumerate(rows))


def errors_km(lats: Floats, lons: Floats, predictions: Rows, centroids: Floats) -> Floats:
    """Return the distance from each position to the centroid of its predicted country.

    centroids: (C, 2) as (lat, lon).
    """
    guesses = centroids[predictions]
    return distances_km(lats, lons, guesses[:, 0], guesses[:, 1])


def is_near(distances: Floats, km: float = NEAR_KM) -> NDArray[np.bool_]:
    """Return which errors are at most km; the mean is the accuracy within km."""
    return np.asarray(distances <= km)


def geoscores(distances: Floats) -> Floats:
    """Return the score of each distance in km: 5000 at 0 km, e times less every 1492.7 km.

    This is how GeoGuessr scores on its world map, as used by PIGEON (Haas et al., 2024) and
    OpenStreetView-5M (Astruc et al., 2024).
    """
    return np.asarray(BEST_GEOSCORE * np.exp(-distances / GEOSCORE_DECAY_KM))


@dataclass(frozen=True)
class FusedViews:
    """One entry per location, sorted by location id; first_rows is the first view of each."""

    location_ids: Strings
    log_probabilities: LogProbabilities
    first_rows: Rows


def fuse_views(
    log_probabilities: LogProbabilities, location_ids: Strings, *, views: int
) -> FusedViews:
    """Average the log-probabilities of the first `views` rows of each location, renormalised.

    A location with fewer views is fused from all of them.
    """
    names, first, location = np.unique(location_ids, return_index=True, return_inverse=True)
    order = np.argsort(location, kind="stable")
    starts = np.searchsorted(location[order], np.arange(len(names)))
    rank = np.arange(len(order)) - starts[location[order]]
    used = order[rank < views]
    sums = np.zeros((len(names), log_probabilities.shape[1]))
    np.add.at(sums, location[used], log_probabilities[used])
    counts = np.bincount(location[used], minlength=len(names))
    return FusedViews(names, log_softmax(sums / counts[:, None]), first)
