"""Abstention on uncertain predictions, which trades coverage for accuracy.

Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.trainer.dataset.view_index import Floats

WANTED_ACCURACY = 0.9
ALWAYS_ABSTAIN = 2.0  # above any probability


@dataclass(frozen=True)
class RiskCoverage:
    """A risk-coverage curve with one entry per distinct confidence, from high to low.

    coverage is the share of samples with at least that confidence, accuracy is over those samples.
    The risk is 1 - accuracy.
    """

    confidence: Floats
    coverage: Floats
    accuracy: Floats

    @property
    def area(self) -> float:
        """Mean risk over all coverages (AURC); each sample counts the risk at its confidence."""
        shares = np.diff(self.coverage, prepend=0.0)
        return float(np.sum((1 - self.accuracy) * shares))

    def thinned(self, points: int) -> "RiskCoverage":
        """Return at most `points` entries, evenly spaced, including the last one."""
        last = len(self.confidence) - 1
        rows = np.unique(np.linspace(last, 0, min(points, last + 1)).round().astype(np.int64))
        return RiskCoverage(self.confidence[rows], self.coverage[rows], self.accuracy[rows])


def risk_coverage(confidence: Floats, hits: NDArray[np.bool_]) -> RiskCoverage:
    """Compute the curve; samples of equal confidence are answered together."""
    order = np.argsort(-confidence, kind="stable")
    descending = confidence[order]
    is_last = np.append(descending[1:] != descending[:-1], True)
    answered = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(hits[order]) / answered
    return RiskCoverage(descending[is_last], (answered / len(order))[is_last], accuracy[is_last])


def abstain_threshold(
    confidence: Floats, hits: NDArray[np.bool_], *, accuracy: float = WANTED_ACCURACY
) -> float:
    """Return the lowest confidence above which predictions reach the accuracy on these samples.

    Returns ALWAYS_ABSTAIN if there is none. The accuracy on other samples is slightly lower, since
    the threshold is selected on these.
    """
    curve = risk_coverage(confidence, hits)
    good = np.flatnonzero(curve.accuracy >= accuracy)
    return float(curve.confidence[good[-1]]) if len(good) else ALWAYS_ABSTAIN
