"""Fit linear heads on scaled features of single views, one per regularisation value."""

from dataclasses import dataclass

import numpy as np

from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.heads.linear import (
    Examples,
    LinearModel,
    balanced_weights,
    fit_least_squares,
    fit_logistic,
)
from services.trainer.recipes.head_recipe import HeadOptions


@dataclass(frozen=True)
class TrainingFeatures:
    """Scaled training features (N, D) with their labels."""

    features: Floats
    labels: Rows
    num_countries: int


def fit_heads(training: TrainingFeatures, options: HeadOptions) -> list[LinearModel]:
    """Fit one head per regularisation value; a pure function of its arguments."""
    fit = fit_logistic if options.model == "logistic" else fit_least_squares
    return fit(_examples(training, options), options.regularisation)


def _examples(training: TrainingFeatures, options: HeadOptions) -> Examples:
    labels = training.labels
    is_balanced = options.class_weight == "balanced"
    weights = balanced_weights(labels) if is_balanced else np.ones(len(labels))
    return Examples(training.features, labels, weights, training.num_countries)
