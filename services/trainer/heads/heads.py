"""Fit linear heads on scaled features of single views, one per regularisation value."""

from dataclasses import dataclass

from euguess.training.recipes.head_recipe import HeadOptions
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.heads.linear import (
    Examples,
    LinearModel,
    fit_least_squares,
    fit_logistic,
    place_weights,
)


@dataclass(frozen=True)
class TrainingFeatures:
    """Scaled training features (N, D) with their labels and locations."""

    features: Floats
    labels: Rows
    location_ids: Strings
    num_countries: int


def fit_heads(training: TrainingFeatures, options: HeadOptions) -> list[LinearModel]:
    """Fit one head per regularisation value; a pure function of its arguments."""
    fit = fit_logistic if options.model == "logistic" else fit_least_squares
    return fit(_examples(training, options), options.regularisation)


def _examples(training: TrainingFeatures, options: HeadOptions) -> Examples:
    weights = place_weights(
        training.labels, training.location_ids, is_balanced=options.class_weight == "balanced"
    )
    return Examples(training.features, training.labels, weights, training.num_countries)
