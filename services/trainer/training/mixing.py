"""Mixup and cutmix: mix images of a batch in pairs; the loss mixes labels in the same shares."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import torch

from euguess.training.recipes.sections import Augmentation
from services.trainer.loading.batches import Batch

MIXING_STREAM = 1  # random stream of the epoch's seed


def mixed(batches: Iterable[Batch], recipe: Augmentation, seed: int) -> Iterator[Batch]:
    """Mix each image with the previous one, which is random in a shuffled batch.

    If a recipe has both mixup and cutmix, each batch gets one of them with equal probability.
    """
    wanted = [
        (mixing, strength)
        for mixing, strength in ((mixup, recipe.mixup), (cutmix, recipe.cutmix))
        if strength
    ]
    rng = np.random.default_rng([seed, MIXING_STREAM])
    for batch in batches:
        if not wanted:
            yield batch
            continue
        mixing, strength = wanted[rng.integers(len(wanted))]
        yield mixing(batch, strength, rng)


def mixup(batch: Batch, strength: float, rng: np.random.Generator) -> Batch:
    """Blend pairs by a share from Beta(strength, strength) (Zhang et al. 2018)."""
    share = float(rng.beta(strength, strength))
    images = torch.lerp(batch.images.roll(1, dims=0), batch.images, share)
    return replace(batch, images=images, partners=batch.labels.roll(1), share=share)


def cutmix(batch: Batch, strength: float, rng: np.random.Generator) -> Batch:
    """Paste a box of one image into the other (Yun et al. 2019); the labels mix by area."""
    size = batch.images.shape[-1]
    half = size * np.sqrt(1 - rng.beta(strength, strength)) / 2
    centre = rng.integers(size, size=2)
    top, left = np.maximum(centre - half, 0).astype(int)
    bottom, right = np.minimum(centre + half, size).astype(int)
    images = batch.images.clone()
    images[:, :, top:bottom, left:right] = batch.images.roll(1, dims=0)[
        :, :, top:bottom, left:right
    ]
    share = 1 - float((bottom - top) * (right - left)) / size**2
    return replace(batch, images=images, partners=batch.labels.roll(1), share=share)
