"""Linear heads with an L2 penalty: logistic regression and least squares.

Both are pure functions of their arguments and repeat bit for bit.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from euguess.images.postprocessing import log_softmax
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.evaluation.metrics import LogProbabilities

MAX_STEPS = 500
TOLERANCE = 1e-6  # of the gradient of the summed loss, scaled by curvature
# A country without training samples is e^10 times less likely than any other.
UNSEEN_MARGIN = 10.0
NEGLIGIBLE = 1e-10  # of the largest eigenvalue
# Fitted values lie between 0 and 1; as logits they would hardly separate the countries.
SHARPNESS = 10.0


@dataclass(frozen=True)
class LinearModel:
    """weights: (features, countries), bias: (countries,)."""

    weights: Floats
    bias: Floats

    def log_probabilities(self, features: NDArray[np.floating]) -> LogProbabilities:
        """Predict (N, countries) from (N, features)."""
        return log_softmax(features @ self.weights + self.bias)


@dataclass(frozen=True)
class Examples:
    """features: (N, D), labels: (N,) below num_countries, weights: (N,) of each in the loss."""

    features: Floats
    labels: Rows
    weights: Floats
    num_countries: int


def fit_path(examples: Examples, regularisation: tuple[float, ...]) -> list[LinearModel]:
    """Fit one model per C that minimises sum(weight x cross-entropy) + |W|^2 / (2 C).

    The bias is not penalised, as in scikit-learn's objective. L-BFGS solves for the countries that
    occur, in the span of the training rows, where the minimum lies (Hastie and Tibshirani,
    Efficient quadratic regularization for expression arrays, 2004). Each C starts from the
    solution for the one before it.
    """
    present = np.unique(examples.labels)
    basis, energies = row_space(torch.from_numpy(examples.features))
    inputs = torch.from_numpy(examples.features) @ basis
    labels = torch.from_numpy(np.searchsorted(present, examples.labels))
    weights = torch.from_numpy(examples.weights)
    parameters = torch.zeros(inputs.shape[1] + 1, len(present), dtype=torch.float64)
    models = []
    for c in regularisation:
        # About the inverse root of the loss's curvature along each axis: a fifth of the steps.
        scale = torch.rsqrt(energies / len(present) + 1 / c)
        parameters = _minimise(parameters, scale, inputs, labels, weights, c)
        found, bias = (basis @ parameters[:-1]).numpy(), parameters[-1].numpy()
        models.append(all_countries(found, bias, present, examples.num_countries))
    return models


def balanced_weights(labels: Rows) -> Floats:
    """Return weights of mean 1 that make all countries count equally."""
    counts = np.bincount(labels)
    return np.asarray(len(labels) / (np.count_nonzero(counts) * counts[labels]))


def row_space(inputs: Tensor) -> tuple[Tensor, Tensor]:
    """Return orthonormal columns (D, rank) that span the rows, and the energy along each."""
    rows, width = inputs.shape
    gram = inputs @ inputs.T if rows < width else inputs.T @ inputs
    energies, vectors = torch.linalg.eigh(gram)
    kept = energies > NEGLIGIBLE * energies[-1]
    energies, vectors = energies[kept], vectors[:, kept]
    return (inputs.T @ vectors / energies.sqrt() if rows < width else vectors), energies


def _minimise(
    start: Tensor, scale: Tensor, inputs: Tensor, labels: Tensor, weights: Tensor, c: float
) -> Tensor:
    """Return the weights (rank, countries) with the bias as the last row."""
    scale = torch.cat([scale, scale.new_ones(1)])[:, None]
    scaled = (start / scale).requires_grad_()
    optimiser = torch.optim.LBFGS(
        [scaled],
        max_iter=MAX_STEPS,
        tolerance_grad=TOLERANCE,
        tolerance_change=0.0,
        line_search_fn="strong_wolfe",
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        parameters = scaled * scale
        logits = inputs @ parameters[:-1] + parameters[-1]
        losses = cross_entropy(logits, labels, reduction="none")
        loss = (weights * losses).sum() + parameters[:-1].square().sum() / (2 * c)
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return (scaled * scale).detach()


def all_countries(weights: Floats, bias: Floats, present: Rows, num_countries: int) -> LinearModel:
    """Extend a model of the countries that occur to all countries."""
    every = np.zeros((len(weights), num_countries))
    biases = np.full(num_countries, bias.min() - UNSEEN_MARGIN)
    every[:, present], biases[present] = weights, bias
    return LinearModel(every, biases)


def fit_squares_path(examples: Examples, regularisation: tuple[float, ...]) -> list[LinearModel]:
    """Fit one model per C that minimises sum(weight x |y - W x - b|^2) / 2 + |W|^2 / (2 C).

    Linear regression on one-hot countries (Hastie, Tibshirani and Friedman, The elements of
    statistical learning, 2009, chapter 4.2), read as log-probabilities.
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
