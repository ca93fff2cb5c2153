"""Heads on scaled features: predictions for single views and for several views of a location."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.metrics import FusedViews, LogProbabilities, fuse_views
from services.trainer.heads.attention import AttentionPool, fit_attention
from services.trainer.heads.linear import (
    Examples,
    LinearModel,
    balanced_weights,
    fit_least_squares,
    fit_logistic,
)
from services.trainer.heads.recipe import HeadOptions, Pooling
from services.trainer.heads.view_sets import ViewSets, first_view_sets, random_view_sets

SUBSETS = 3  # random sets of views per location to train a pooling head on


class Head(Protocol):
    """A classifier of features (N, D)."""

    def single(self, features: Floats) -> LogProbabilities:
        """Predict each view alone: (N, countries)."""

    def fused(self, features: Floats, location_ids: Strings, *, views: int) -> FusedViews:
        """Predict each location from its first `views` views."""


@dataclass(frozen=True)
class AveragingHead:
    """Averages the log-probabilities of single views."""

    model: LinearModel

    def single(self, features: Floats) -> LogProbabilities:
        return self.model.log_probabilities(features)

    def fused(self, features: Floats, location_ids: Strings, *, views: int) -> FusedViews:
        return fuse_views(self.single(features), location_ids, views=views)


@dataclass(frozen=True)
class MeanHead:
    """Averages the features of the views, then classifies the mean."""

    model: LinearModel

    def single(self, features: Floats) -> LogProbabilities:
        return self.model.log_probabilities(features)

    def fused(self, features: Floats, location_ids: Strings, *, views: int) -> FusedViews:
        sets = first_view_sets(location_ids, views)
        answers = self.model.log_probabilities(sets.means(features))
        return FusedViews(sets.location_ids, answers, sets.members[:, 0])


@dataclass(frozen=True)
class AttentionHead:
    """Classifies a weighted mean of the features; the weights depend on the views.

    On 163 real locations it is no better than averaging: 36.5 % [29, 44] with all views, against
    35.2 % [28, 43] for log-probabilities and for mean embeddings (docs/results/streetview.md). It
    is kept for recipes that name it.
    """

    pool: AttentionPool

    def single(self, features: Floats) -> LogProbabilities:
        return self.pool.log_probabilities(features, np.arange(len(features))[:, None])

    def fused(self, features: Floats, location_ids: Strings, *, views: int) -> FusedViews:
        sets = first_view_sets(location_ids, views)
        answers = self.pool.log_probabilities(features, sets.members)
        return FusedViews(sets.location_ids, answers, sets.members[:, 0])


@dataclass(frozen=True)
class TrainingFeatures:
    """Scaled training features (N, D) with their labels and locations."""

    features: Floats
    labels: Rows
    location_ids: Strings
    num_countries: int


def fit_heads(training: TrainingFeatures, options: HeadOptions, seed: int) -> list[Head]:
    """Fit one head per regularisation value; a pure function of its arguments."""
    if options.pooling is Pooling.LOG_PROBABILITIES:
        examples = _examples(training.features, training.labels, training, options)
        return [AveragingHead(model) for model in _models(examples, options)]
    sets = _sets(training, seed)
    labels = training.labels[sets.members[:, 0]]
    if options.pooling is Pooling.ATTENTION:
        examples = _examples(training.features, labels, training, options)
        return [
            AttentionHead(fit_attention(examples, sets.members, c, seed))
            for c in options.regularisation
        ]
    examples = _examples(sets.means(training.features), labels, training, options)
    return [MeanHead(model) for model in _models(examples, options)]


def _models(examples: Examples, options: HeadOptions) -> list[LinearModel]:
    fit = fit_logistic if options.model == "logistic" else fit_least_squares
    return fit(examples, options.regularisation)


def _sets(training: TrainingFeatures, seed: int) -> ViewSets:
    """Return each single view, all views of each location, and some random sets of views."""
    rng = np.random.default_rng(seed)
    ids = training.location_ids
    drawn = [random_view_sets(ids, rng) for _ in range(SUBSETS)]
    alone = ViewSets(ids, np.arange(len(ids))[:, None])
    return ViewSets.joined([alone, first_view_sets(ids, len(ids)), *drawn])


def _examples(
    features: Floats, labels: Rows, training: TrainingFeatures, options: HeadOptions
) -> Examples:
    is_balanced = options.class_weight == "balanced"
    weights = balanced_weights(labels) if is_balanced else np.ones(len(labels))
    return Examples(features, labels, weights, training.num_countries)
