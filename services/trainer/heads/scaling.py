"""Scale the features of several backbones to a common size."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from euguess.training.recipes.head_recipe import Scaling
from services.trainer.dataset.view_index import Floats

Block = NDArray[np.floating]  # (views, features of one layer of a backbone)
SMALLEST_SPREAD = 1e-6  # avoids blowing up nearly constant features


@dataclass(frozen=True)
class BlockScaler:
    """Computes (features - mean) * factor; has_unit_length first scales each view to length 1."""

    has_unit_length: bool
    mean: Floats
    factor: Floats

    def __call__(self, block: Block) -> Floats:
        return np.asarray((_prepared(block, self.has_unit_length) - self.mean) * self.factor)


@dataclass(frozen=True)
class Scaler:
    """Scales and concatenates all layers' features; training views have a mean length of 1."""

    blocks: tuple[BlockScaler, ...]

    def __call__(self, blocks: Sequence[Block]) -> Floats:
        """Return shape (N, sum of features)."""
        pairs = zip(self.blocks, blocks, strict=True)
        joined = np.concatenate([scaler(block) for scaler, block in pairs], axis=1)
        return np.asarray(joined / np.sqrt(len(self.blocks)))


def fit_scaler(scaling: Scaling, blocks: Sequence[Block]) -> Scaler:
    """Fit a scaler to training views; every layer of a backbone gets the same weight."""
    return Scaler(tuple(_fit(scaling, block) for block in blocks))


def _fit(scaling: Scaling, block: Block) -> BlockScaler:
    has_unit_length = scaling is Scaling.UNIT_LENGTH
    prepared = _prepared(block, has_unit_length)
    mean, spread = prepared.mean(axis=0), prepared.std(axis=0)
    if scaling is Scaling.STANDARDISE:
        factor = 1 / (np.maximum(spread, SMALLEST_SPREAD) * np.sqrt(len(mean)))
    else:
        length = np.sqrt(np.square(spread).sum())
        factor = np.full(len(mean), 1 / max(length, SMALLEST_SPREAD))
    return BlockScaler(has_unit_length, mean, factor)


def _prepared(block: Block, has_unit_length: bool) -> Floats:
    values = block.astype(np.float64)
    if not has_unit_length:
        return values
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    return np.asarray(values / np.maximum(lengths, SMALLEST_SPREAD))
