"""Conformal sets of countries that contain the true one with a chosen probability.

Split conformal prediction with the score 1 - p(true country): Sadinle, Lei and Wasserman, Least
Ambiguous Set-Valued Classifiers with Bounded Error Levels, 2019 ("LAC"). It gives the smallest
sets on average; hard countries are covered less often than easy ones.

The coverage holds for samples that are exchangeable with those of the fit. Views of a location
are not exchangeable with each other, so use one row per location.
"""

import math

import numpy as np

from euguess.images.postprocessing import ROUNDING
from services.trainer.dataset.view_index import Rows
from services.trainer.evaluation.metrics import LogProbabilities

SET_COVERAGE = 0.9


def set_threshold(
    log_probabilities: LogProbabilities, labels: Rows, *, coverage: float = SET_COVERAGE
) -> float:
    """Return the lowest probability at which a country is in the set.

    This is the k-th highest probability of a true country among n samples, with
    k = ceil((n + 1) * coverage), so that a new sample's set contains its country with a probability
    of coverage to coverage + 1 / (n + 1). With too few samples (k > n) it is 0, and every country
    is in the set.
    """
    own = np.sort(np.exp(log_probabilities[np.arange(len(labels)), labels]))
    # 0.9 * 10 must not become 9.000000000000002.
    rank = math.ceil((len(own) + 1) * coverage - ROUNDING)
    return float(own[len(own) - rank]) if rank <= len(own) else 0.0
