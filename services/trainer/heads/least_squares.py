"""Linear regression on one-hot countries with an L2 penalty (Hastie, Tibshirani and Friedman, The
elements of statistical learning, 2009, chapter 4.2), read as log-probabilities.
"""

import numpy as np
import torch

from services.trainer.heads.logistic import Examples, LinearModel, all_countries, row_space

# Fitted values lie between 0 and 1; as logits they would tell the countries too little apart.
SHARPNESS = 10.0


def fit_squares_path(examples: Examples, regularisation: tuple[float, ...]) -> list[LinearModel]:
    """One model per C, which minimises sum(weight x |y - W x - b|^2) / 2 + |W|^2 / (2 C).

    Solved in closed form in the span of the training rows; b makes the weighted means right.
    """
    present = np.unique(examples.labels)
    weights = torch.from_numpy(examples.weights)[:, None]
    share = weights / weights.sum()
    inputs = torch.from_numpy(examples.features)
    wanted = torch.from_numpy(np.eye(len(present))[np.searchsorted(present, examples.labels)])
    centre, mean = (share * inputs).sum(dim=0), (share * wanted).sum(dim=0)
    roots = weights.sqrt()
    basis, energies = row_space(roots * (inputs - centre))
    projected = (roots * (inputs - centre) @ basis).T @ (roots * (wanted - mean))
    models = []
    for c in regularisation:
        found = basis @ (projected / (energies + 1 / c)[:, None])
        bias = mean - centre @ found
        fitted, offset = (SHARPNESS * found).numpy(), (SHARPNESS * bias).numpy()
        models.append(all_countries(fitted, offset, present, examples.num_countries))
    return models
