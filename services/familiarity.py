"""How far a photo is from those of training, by the features that the network classifies.

Trainer and inference share this module. It is also part of each archive for TorchServe.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING or __package__:
    from services.head_network import HeadNetwork
    from services.networks import head_name
else:  # in an archive, whose files are all in one folder
    from head_network import HeadNetwork
    from networks import head_name


class FeatureDistance(nn.Module):
    """Mahalanobis distance of features (N, D) to those of training, squared.

    The covariance is that of the largest principal components; all other directions share one
    variance (Tipping and Bishop, Probabilistic principal component analysis, 1999). Lee et al., A
    simple unified framework for detecting out-of-distribution samples, 2018, detect unusual images
    by this distance.
    """

    mean: Tensor
    factor: Tensor  # 1 / standard deviation of each feature
    components: Tensor  # (D, K), orthonormal
    precisions: Tensor  # (K,): 1 / variance of each component
    shared_precision: Tensor

    def __init__(self, width: int, components: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("factor", torch.ones(width))
        self.register_buffer("components", torch.zeros(width, components))
        self.register_buffer("precisions", torch.zeros(components))
        self.register_buffer("shared_precision", torch.ones(()))

    def forward(self, features: Tensor) -> Tensor:
        """Return N distances."""
        centred = (features - self.mean) * self.factor
        components = centred @ self.components
        # Not by the difference of squared lengths, which float32 rounds to nothing.
        rest = centred - components @ self.components.T
        shared = self.shared_precision * rest.square().sum(dim=1)
        distances: Tensor = shared + components.square() @ self.precisions
        return distances


class MeasuringNetwork(nn.Module):
    """A network that returns, besides its logits, the distance of each image to training."""

    def __init__(self, network: nn.Module, distance: FeatureDistance) -> None:
        super().__init__()
        self.network = network
        self.distance = distance

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Map N x 3 x S x S normalised images to N x countries logits and N distances."""
        logits, features = with_features(self.network, images)
        return logits, self.distance(features)


def with_features(network: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits and the features (N, D) that the last layer turns into them."""
    kept: list[Tensor] = []
    hooks = [head.register_forward_pre_hook(partial(_keep, kept)) for head in _heads(network)]
    try:
        logits = network(images)
    finally:
        for hook in hooks:
            hook.remove()
    return logits, torch.cat(kept, dim=1)


def _heads(network: nn.Module) -> Sequence[nn.Module]:
    if isinstance(network, HeadNetwork):
        return [part.get_submodule("weights") for part in network.parts]
    return [network.get_submodule(head_name(network))]


def _keep(kept: list[Tensor], _head: nn.Module, inputs: tuple[Any, ...]) -> None:
    (features,) = inputs
    kept.append(features.mean(dim=(2, 3)) if features.ndim == 4 else features)
