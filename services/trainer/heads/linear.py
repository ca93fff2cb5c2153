"""Linear heads with an L2 penalty: logistic regression and least squares, by scikit-learn.

Both are pure functions of their arguments and repeat bit for bit.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression, Ridge

from euguess.images.postprocessing import log_softmax
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.metrics import LogProbabilities

# For the gradient of the mean loss. Six values of C on 2,500 x 1,024 features of 26 countries take
# 5.4 s of CPU, with losses within 4e-8 of the minimum. The default of 1e-4 takes 1.4 s, but at
# C = 30 the loss is 14 % above the minimum.
TOLERANCE = 1e-7
MAX_STEPS = 10_000
# A country without training samples is e^10 times less likely than any other.
UNSEEN_MARGIN = 10.0
# Fitted values lie between 0 and 1, too close together to separate the countries as logits.
SHARPNESS = 10.0


@dataclass(frozen=True)
class LinearModel:
    """A linear classifier; weights: (features, countries), bias: (countries,)."""

    weights: Floats
    bias: Floats

    def log_probabilities(self, features: NDArray[np.floating]) -> LogProbabilities:
        """Predict (N, countries) from (N, features)."""
        return log_softmax(features @ self.weights + self.bias)


@dataclass(frozen=True)
class Examples:
    """Samples to fit: features (N, D), labels (N,) below num_countries, loss weights (N,)."""

    features: Floats
    labels: Rows
    weights: Floats
    num_countries: int


def fit_logistic(examples: Examples, regularisation: tuple[float, ...]) -> list[LinearModel]:
    """Fit one model per C that minimises sum(weight x cross-entropy) + |W|^2 / (2 C).

    The bias is not penalised. Each C starts from the solution for the previous one.
    """
    present = np.unique(examples.labels)
    if len(present) == 1:
        constant = np.zeros((examples.features.shape[1], 1)), np.zeros(1)
        return [_all_countries(*constant, present, examples.num_countries) for _ in regularisation]
    # scikit-learn fits two classes with one logit: twice the penalty of two logits of half size.
    is_binary = len(present) == 2
    classifier = LogisticRegression(tol=TOLERANCE, max_iter=MAX_STEPS, warm_start=True)
    models = []
    for c in regularisation:
        classifier.set_params(C=2 * c if is_binary else c)
        classifier.fit(examples.features, examples.labels, sample_weight=examples.weights)
        weights, bias = classifier.coef_.T, classifier.intercept_
        if is_binary:
            weights, bias = weights * [-0.5, 0.5], bias * [-0.5, 0.5]
        models.append(_all_countries(weights, bias, present, examples.num_countries))
    return models


def fit_least_squares(examples: Examples, regularisation: tuple[float, ...]) -> list[LinearModel]:
    """Fit one model per C that minimises sum(weight x |y - W x - b|^2) / 2 + |W|^2 / (2 C).

    Linear regression on one-hot countries (Hastie, Tibshirani and Friedman, The elements of
    statistical learning, 2009, chapter 4.2), read as log-probabilities.
    """
    present, labels = np.unique(examples.labels, return_inverse=True)
    one_hot = np.eye(len(present))[labels]
    models = []
    for c in regularisation:
        ridge = Ridge(alpha=1 / c, solver="cholesky")
        ridge.fit(examples.features, one_hot, sample_weight=examples.weights)
        weights, bias = np.atleast_2d(ridge.coef_).T, np.atleast_1d(ridge.intercept_)
        models.append(
            _all_countries(SHARPNESS * weights, SHARPNESS * bias, present, examples.num_countries)
        )
    return models


def place_weights(labels: Rows, location_ids: Strings, *, is_balanced: bool) -> Floats:
    """Return weights of views with mean 1 by which all places, or all countries, count equally.

    A collection with many views of each place then does not outweigh one with single views.
    """
    _, place, views = np.unique(location_ids, return_inverse=True, return_counts=True)
    weights = 1 / views[place]
    if is_balanced:
        weights = weights / np.bincount(labels, weights)[labels]
    return np.asarray(weights / weights.mean())


def _all_countries(weights: Floats, bias: Floats, present: Rows, num_countries: int) -> LinearModel:
    """Extend a model of the countries in the samples to all countries."""
    every = np.zeros((len(weights), num_countries))
    biases = np.full(num_countries, bias.min() - UNSEEN_MARGIN)
    every[:, present], biases[present] = weights, bias
    return LinearModel(every, biases)
