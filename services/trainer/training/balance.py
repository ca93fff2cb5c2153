"""Drawing images of rare countries more often."""

import numpy as np
from numpy.typing import NDArray

from services.trainer.dataset.view_index import Floats, Rows


def country_weights(counts: NDArray[np.int64], strength: float) -> Floats:
    """How often an image of each country is drawn, relative to others: counts ** -strength."""
    return np.maximum(counts, 1).astype(np.float64) ** -strength


def draw_rows(rows: Rows, labels: Rows, strength: float, seed: int) -> Rows:
    """As many rows, drawn with replacement so that rare countries come more often.

    strength: 0 leaves the rows as they are, 1 makes all countries equally frequent on average
    (0.5 is the square-root sampling of Mahajan et al. 2018). labels are those of the rows.
    """
    if not strength:
        return rows
    weights = country_weights(np.bincount(labels), strength)[labels]
    generator = np.random.default_rng([seed, len(rows)])
    return generator.choice(rows, size=len(rows), p=weights / weights.sum())
