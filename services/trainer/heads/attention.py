"""Gated attention over the views of a location (Ilse et al., Attention-based deep multiple instance
learning, 2018): a weighted mean of features, whose weights depend on the features.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from euguess.images.postprocessing import log_softmax
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.evaluation.metrics import LogProbabilities
from services.trainer.heads.linear import Examples, fit_logistic
from services.trainer.heads.view_sets import NO_VIEW, ViewSets

COMPONENTS = 128  # principal components of the features to keep
HIDDEN = 32
STEPS = 100
LEARNING_RATE = 3e-3
GATE_DECAY = 0.1


class GatedAttention(nn.Module):
    """Attention that starts as a plain mean of the views."""

    def __init__(self, width: int, num_countries: int) -> None:
        super().__init__()
        self.tangent = nn.Linear(width, HIDDEN)
        self.gate = nn.Linear(width, HIDDEN)
        self.score = nn.Linear(HIDDEN, 1)
        self.classifier = nn.Linear(width, num_countries)
        nn.init.zeros_(self.score.weight)
        nn.init.zeros_(self.score.bias)

    def forward(self, views: Tensor, is_view: Tensor) -> Tensor:
        """Map views (sets, V, D), with the mask is_view (sets, V), to (sets, countries) logits."""
        hidden = torch.tanh(self.tangent(views)) * torch.sigmoid(self.gate(views))
        scores = self.score(hidden)[..., 0].masked_fill(~is_view, -torch.inf)
        weights = scores.softmax(dim=1)
        logits: Tensor = self.classifier((weights[..., None] * views).sum(dim=1))
        return logits


@dataclass(frozen=True)
class AttentionPool:
    """Trained attention on principal components; basis: (D, components)."""

    basis: Floats
    network: GatedAttention

    def log_probabilities(self, features: Floats, members: Rows) -> LogProbabilities:
        """Predict each set of views, given as rows of the features: (sets, countries)."""
        views, is_view = _views(features @ self.basis, members)
        with torch.inference_mode():
            return log_softmax(self.network(views, is_view).numpy())


def fit_attention(examples: Examples, members: Rows, c: float, seed: int) -> AttentionPool:
    """Fit attention to sets of views; the examples have one label and one weight per set.

    The classifier starts from a logistic regression on mean features and has the same penalty.
    """
    basis = _principal_components(examples.features)
    reduced = examples.features @ basis
    means = ViewSets(np.array([], dtype=np.str_), members).means(reduced)
    start = Examples(means, examples.labels, examples.weights, examples.num_countries)
    (linear,) = fit_logistic(start, (c,))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = GatedAttention(basis.shape[1], examples.num_countries).double()
    network.classifier.load_state_dict(
        {"weight": torch.from_numpy(linear.weights.T), "bias": torch.from_numpy(linear.bias)}
    )
    _learn(network, start, *_views(reduced, members), c)
    return AttentionPool(basis, network.eval())


def _learn(
    network: GatedAttention, examples: Examples, views: Tensor, is_view: Tensor, c: float
) -> None:
    gates = [p for name, p in network.named_parameters() if not name.startswith("classifier")]
    optimiser = torch.optim.AdamW(
        [
            {"params": gates, "weight_decay": GATE_DECAY},
            {"params": network.classifier.parameters(), "weight_decay": 0.0},
        ],
        lr=LEARNING_RATE,
    )
    labels, weights = torch.from_numpy(examples.labels), torch.from_numpy(examples.weights)
    for _ in range(STEPS):
        optimiser.zero_grad()
        losses = cross_entropy(network(views, is_view), labels, reduction="none")
        penalty = network.classifier.weight.square().sum() / (2 * c)
        loss = ((weights * losses).sum() + penalty) / len(labels)
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()


def _principal_components(features: Floats) -> Floats:
    """Return the directions of largest variance as orthonormal columns (D, at most COMPONENTS)."""
    inputs = torch.from_numpy(features - features.mean(axis=0))
    rows, width = inputs.shape
    kept = min(COMPONENTS, rows - 1, width)
    if rows < width:
        energies, vectors = torch.linalg.eigh(inputs @ inputs.T)
        basis = inputs.T @ vectors[:, -kept:] / energies[-kept:].clamp(min=1e-12).sqrt()
    else:
        basis = torch.linalg.eigh(inputs.T @ inputs).eigenvectors[:, -kept:]
    return np.asarray(basis.numpy())


def _views(features: Floats, members: Rows) -> tuple[Tensor, Tensor]:
    is_view = members != NO_VIEW
    return torch.from_numpy(features[members]), torch.from_numpy(is_view)
