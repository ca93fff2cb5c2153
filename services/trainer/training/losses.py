"""The training loss: cross-entropy with smoothed labels, margins and mixed images."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from euguess.training.recipes.recipe import Recipe
from services.trainer.dataset.proximity import distances_km
from services.trainer.dataset.view_index import Floats
from services.trainer.evaluation.distances import country_centres
from services.trainer.loading.batches import Batch, country_weights
from services.trainer.loading.split_data import SplitData


@dataclass(frozen=True)
class Criterion:
    """Mean cross-entropy over the images of a batch, in nats.

    targets: C x C target probabilities by true country, if labels are smoothed by distance.
    margins: C values, added to the logits in training only.
    """

    label_smoothing: float = 0.0
    targets: Tensor | None = None
    margins: Tensor | None = None

    def __call__(self, logits: Tensor, batch: Batch) -> Tensor:
        if self.margins is not None:
            logits = logits.float() + self.margins
        loss = self._loss(logits, batch.labels)
        if batch.partners is None:
            return loss
        return torch.lerp(self._loss(logits, batch.partners), loss, batch.share)

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        if self.targets is None:
            return cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        return cross_entropy(logits, self.targets[labels])


def make_criterion(recipe: Recipe, split_data: SplitData) -> Criterion:
    """Build the recipe's loss for the countries of split data, on its device."""
    device = split_data.images.device
    targets = margins = None
    if recipe.smoothing.by == "distance" and recipe.label_smoothing:
        centres = country_centres(tuple(country.country_code for country in split_data.countries))
        smoothed = distance_targets(centres, recipe.label_smoothing, recipe.smoothing.scale_km)
        targets = torch.from_numpy(smoothed).float().to(device)
    if recipe.balance.logit_adjustment:
        margins = torch.from_numpy(_margins(recipe, split_data)).float().to(device)
    return Criterion(recipe.label_smoothing, targets, margins)


def distance_targets(centres: Floats, smoothing: float, scale_km: float) -> Floats:
    """Return C x C targets: 1 - smoothing for the country, the rest by exp(-distance / scale_km).

    Geographic label smoothing as in Haas et al., PIGEON, 2024, with countries instead of geocells.
    """
    lats, lons = centres.T
    distances = distances_km(lats[:, None], lons[:, None], lats, lons)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1, keepdims=True)  # avoids underflow for distant countries
    shares = np.exp(-(distances - nearest) / scale_km)
    return np.asarray(
        smoothing * shares / shares.sum(axis=1, keepdims=True)
        + (1 - smoothing) * np.eye(len(centres))
    )


def _margins(recipe: Recipe, split_data: SplitData) -> Floats:
    """Return tau log prior (Menon et al. 2021), with the prior of the images as sampled."""
    labels = split_data.labels[split_data.split.train]
    counts = np.maximum(np.bincount(labels, minlength=len(split_data.countries)), 1)
    drawn = counts * country_weights(counts, recipe.balance.sampling)
    return np.asarray(recipe.balance.logit_adjustment * np.log(drawn / drawn.sum()))
