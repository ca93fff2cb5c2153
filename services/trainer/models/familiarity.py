"""Fit what tells photos that are unlike those of training."""

from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from sklearn.decomposition import PCA
from torch import Tensor, nn

from euguess.images.postprocessing import FAMILIAR_SHARE, familiarities
from euguess.messages.serving import FamiliarityCalibration
from services.familiarity import FeatureDistance, with_features
from services.trainer.dataset.view_index import Floats, Rows, Strings
from services.trainer.evaluation.bootstrap import bootstrap_interval
from services.trainer.evaluation.evaluation import predict_logits
from services.trainer.loading.batches import DeviceImages
from services.trainer.splits.splits import Split

# On real photos, 64 components told 97 % of 60 pictures that show no street at 5 % false alarms,
# 16 told 90 %, and 256 told 98 %.
MAX_COMPONENTS = 64
VIEWS_PER_COMPONENT = 4
FOLDS = 5
MIN_HELD_OUT = 20  # views
MAX_FITTED = 10_000  # views; more hardly change 64 components, and take memory
MAX_DISTANCES = 500  # that a model card lists
SMALLEST_VARIANCE = 1e-6
# Of the directions beyond the components, where features have variance 1. Of strongly correlated
# features it would be so small that rounding errors count.
SMALLEST_SHARED_VARIANCE = 1e-4
# Features that hardly vary in training would dominate otherwise, or show rounding errors: as shares
# of the typical spread and of the typical size.
SMALLEST_SPREAD, SMALLEST_SPREAD_OF_SIZE = 0.1, 0.01


@dataclass(frozen=True)
class Familiarity:
    """A fitted distance and its calibration on held-out photos."""

    distance: FeatureDistance
    calibration: FamiliarityCalibration


def fit_trained(
    network: nn.Module, images: DeviceImages, split: Split, ids: Strings
) -> Familiarity | None:
    """Fit on train and calibrate on val, whose photos a trained network has not learnt.

    ids: locations, by view. None if val has too few photos.
    """
    if len(split.val) < MIN_HELD_OUT:
        return None
    distance = fit_distance(features_of(network, images, thinned(split.train)))
    held_out, tested = (
        measure(distance, features_of(network, images, rows)) for rows in (split.val, split.test)
    )
    return _calibrated(distance, held_out, tested, ids[split.test])


def fit_frozen(features: Floats, split: Split, ids: Strings) -> Familiarity | None:
    """Fit on train and val, and calibrate by cross-validation over their locations.

    features: (views, D) of a network that has learnt none of the photos. None if there are too few.
    """
    learnt = thinned(np.sort(np.concatenate([split.train, split.val])))
    names, location = np.unique(ids[learnt], return_inverse=True)
    if len(learnt) < MIN_HELD_OUT or len(names) < FOLDS:
        return None
    held_out = np.empty(len(learnt))
    for fold in range(FOLDS):
        is_out = location % FOLDS == fold
        fitted = fit_distance(features[learnt[~is_out]])
        held_out[is_out] = measure(fitted, features[learnt[is_out]])
    distance = fit_distance(features[learnt])
    return _calibrated(distance, held_out, measure(distance, features[split.test]), ids[split.test])


def features_of(network: nn.Module, images: DeviceImages, rows: Rows) -> Floats:
    """Return the features (rows, D) that the network's last layer is given."""

    def forward(batch: Tensor) -> Tensor:
        return with_features(network, batch)[1]

    return predict_logits(forward, images, rows).astype(np.float64)


def thinned(rows: Rows) -> Rows:
    """Return at most MAX_FITTED of the rows, evenly spaced."""
    return rows[:: max(1, ceil(len(rows) / MAX_FITTED))]


def fit_distance(features: Floats) -> FeatureDistance:
    """Fit the distance to features (N, D)."""
    count, width = features.shape
    mean, spread = features.mean(axis=0), features.std(axis=0)
    smallest = max(
        SMALLEST_SPREAD * np.sqrt(np.mean(spread**2)),
        SMALLEST_SPREAD_OF_SIZE * np.sqrt(np.mean(features**2)),
        SMALLEST_VARIANCE,
    )
    factor = 1 / np.maximum(spread, smallest)
    kept = max(1, min(MAX_COMPONENTS, count // VIEWS_PER_COMPONENT, width - 1))
    found = PCA(kept, svd_solver="randomized", random_state=0).fit((features - mean) * factor)
    shared = max(float(found.noise_variance_), SMALLEST_SHARED_VARIANCE)
    variances = np.maximum(found.explained_variance_, shared)
    distance = FeatureDistance(width, kept)
    distance.load_state_dict(
        {
            "mean": _tensor(mean),
            "factor": _tensor(factor),
            "components": _tensor(found.components_.T),
            "precisions": _tensor(1 / variances),
            "shared_precision": _tensor(np.asarray(1 / shared)),
        }
    )
    return distance


def measure(distance: FeatureDistance, features: Floats) -> Floats:
    """Return the distances of features (N, D)."""
    with torch.inference_mode():
        return np.asarray(distance(_tensor(features)).numpy(), dtype=np.float64)


def _calibrated(
    distance: FeatureDistance, held_out: Floats, tested: Floats, test_ids: Strings
) -> Familiarity:
    listed = np.sort(held_out)
    if len(listed) > MAX_DISTANCES:
        listed = np.quantile(listed, np.linspace(0, 1, MAX_DISTANCES))
    flagged = familiarities(tested, listed) < FAMILIAR_SHARE
    calibration = FamiliarityCalibration(
        distances=tuple(float(f"{value:.6g}") for value in listed),
        components=distance.components.shape[1],
        width=distance.components.shape[0],
        flagged=bootstrap_interval(flagged, test_ids),
    )
    return Familiarity(distance, calibration)


def _tensor(values: Floats) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32))
