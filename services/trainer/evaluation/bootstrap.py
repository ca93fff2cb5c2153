"""Confidence intervals by the percentile bootstrap over locations.

Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13.

Views of one location are not independent, so whole locations are drawn with replacement.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from euguess.messages.records import Interval
from services.trainer.dataset.view_index import Floats, Rows, Strings


@dataclass(frozen=True)
class Bootstrap:
    """Resampling settings; 2,000 resamples give the ends of a 95 % interval to within about 4 %."""

    resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0
    cells_at_once: int = 4_000_000  # resamples x locations in memory at once: 32 MB

    def interval(self, value: float, resampled: Floats) -> Interval:
        """Return the percentile interval around a point estimate."""
        tail = 50 * (1 - self.confidence)
        low, high = np.nanpercentile(resampled, [tail, 100 - tail])
        return Interval(value=float(value), low=float(low), high=float(high))

    def weights(self, locations: int) -> Iterator[Floats]:
        """Yield how often each location is drawn, in chunks of shape (resamples, locations)."""
        rng = np.random.default_rng(self.seed)
        at_once = max(1, self.cells_at_once // locations)
        for start in range(0, self.resamples, at_once):
            count = min(at_once, self.resamples - start)
            drawn = rng.integers(locations, size=(count, locations))
            cells = drawn + locations * np.arange(count)[:, None]
            tally = np.bincount(cells.ravel(), minlength=count * locations)
            yield tally.reshape(count, locations).astype(np.float64)


DEFAULT = Bootstrap()


def bootstrap_interval(
    values: ArrayLike, location_ids: Strings, *, bootstrap: Bootstrap = DEFAULT
) -> Interval:
    """Return the interval of the mean of values (one per sample: hits, NLL, km)."""
    samples = np.asarray(values, dtype=np.float64)
    return _ratio_interval(samples[:, None], np.ones((len(samples), 1)), location_ids, bootstrap)


def paired_difference(
    values_a: ArrayLike,
    values_b: ArrayLike,
    location_ids: Strings,
    *,
    bootstrap: Bootstrap = DEFAULT,
) -> Interval:
    """Return the interval of mean(a) - mean(b) for two models on the same samples."""
    difference = np.asarray(values_a, dtype=np.float64) - np.asarray(values_b, dtype=np.float64)
    return bootstrap_interval(difference, location_ids, bootstrap=bootstrap)


def macro_recall_interval(
    hits: ArrayLike, labels: Rows, location_ids: Strings, *, bootstrap: Bootstrap = DEFAULT
) -> Interval:
    """Return the interval of the mean recall over the countries of labels; one hit per sample."""
    one_hot = np.eye(labels.max() + 1)[labels]
    scored = one_hot * np.asarray(hits, dtype=np.float64)[:, None]
    return _ratio_interval(scored, one_hot, location_ids, bootstrap)


def median_interval(
    values: ArrayLike, location_ids: Strings, *, bootstrap: Bootstrap = DEFAULT
) -> Interval:
    """Return the interval of the (lower) median of values."""
    samples = np.asarray(values, dtype=np.float64)
    order = np.argsort(samples, kind="stable")
    _, location = np.unique(location_ids[order], return_inverse=True)
    medians = [
        _weighted_median(samples[order], row[location])
        for weights in bootstrap.weights(int(location.max()) + 1)
        for row in weights
    ]
    middle = _weighted_median(samples[order], np.ones(len(samples)))
    return bootstrap.interval(middle, np.array(medians))


def _weighted_median(ascending: Floats, weights: Floats) -> float:
    total = np.cumsum(weights)
    return float(ascending[np.searchsorted(total, total[-1] / 2)])


def _ratio_interval(
    numerators: Floats, denominators: Floats, location_ids: Strings, bootstrap: Bootstrap
) -> Interval:
    """Return the interval of the mean ratio of column sums; empty columns are ignored."""
    above, below = _sums(numerators, location_ids), _sums(denominators, location_ids)
    resampled = [_ratios(w @ above, w @ below) for w in bootstrap.weights(len(above))]
    value = _ratios(above.sum(axis=0, keepdims=True), below.sum(axis=0, keepdims=True))
    return bootstrap.interval(value[0], np.concatenate(resampled))


def _sums(columns: Floats, location_ids: Strings) -> Floats:
    """Return the column sums of each location, shape (locations, columns)."""
    names, location = np.unique(location_ids, return_inverse=True)
    sums = np.zeros((len(names), columns.shape[1]))
    np.add.at(sums, location, columns)
    return sums


def _ratios(above: Floats, below: Floats) -> Floats:
    seen = below > 0
    ratios = np.divide(above, below, out=np.zeros_like(above), where=seen)
    return np.asarray(ratios.sum(axis=1) / seen.sum(axis=1))
