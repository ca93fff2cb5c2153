"""Frozen networks without a head, which turn images into features."""

import hashlib
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from euguess.errors import InvalidRecipe
from services.networks import (
    UnknownNetwork,
    UnsuitableSize,
    check_image_size,
    replace_head_by_identity,
)
from services.trainer.devices import on_device
from services.trainer.pretrained import WeightsMismatch, build_pretrained
from services.trainer.recipes.head_recipe import Backbone
from services.trainer.recipes.recipe import NO_WEIGHTS


class FeatureExtractor(nn.Module):
    """Computes a network's penultimate features, followed by the means of inner layers."""

    def __init__(self, network: nn.Module, layers: tuple[str, ...]) -> None:
        super().__init__()
        self.network = network
        self.layers = layers
        self.widths: tuple[int, ...] = ()  # of the penultimate features, then of each layer
        self._means: dict[str, Tensor] = {}
        for name in layers:
            network.get_submodule(name).register_forward_hook(self._keep(name))

    def forward(self, images: Tensor) -> Tensor:
        """Turn N x 3 x S x S normalised images into N x features."""
        penultimate = self.network(images).flatten(1)
        parts = [penultimate, *(self._means[name] for name in self.layers)]
        self.widths = tuple(part.shape[1] for part in parts)
        return torch.cat(parts, dim=1)

    def _keep(self, name: str) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
        def hook(_module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
            self._means[name] = output.mean(dim=(2, 3))

        return hook


def build_feature_extractor(backbone: Backbone, device: torch.device) -> FeatureExtractor:
    """Build a backbone in evaluation mode, without its head. Raises InvalidRecipe."""
    weights = None if backbone.weights == NO_WEIGHTS else backbone.weights
    torch.manual_seed(0)  # makes random weights reproducible
    try:
        network = build_pretrained(backbone.network, 1, weights)
        check_image_size(network, backbone.image_size)
        replace_head_by_identity(network)
        extractor = _probed(FeatureExtractor(network, backbone.layers), backbone.image_size)
    except (UnknownNetwork, UnsuitableSize, WeightsMismatch) as error:
        raise InvalidRecipe(f"backbone {backbone.network}: {error}.") from None
    except (AttributeError, IndexError):
        raise InvalidRecipe(
            f"backbone {backbone.network}: layers must name modules that return N x C x H x W, "
            f"not {', '.join(backbone.layers)}."
        ) from None
    except OSError as error:
        raise InvalidRecipe(
            f"Could not load the weights {weights!r} of {backbone.network} ({error}). Use 'none', "
            "the path of a .safetensors file, or 'imagenet' on a machine with internet access."
        ) from None
    return on_device(extractor, device).eval()  # type: ignore[return-value]  # nn.Module.to


def _probed(extractor: FeatureExtractor, size: int) -> FeatureExtractor:
    """Run the extractor once so that it knows its widths."""
    with torch.inference_mode():
        extractor.eval()(torch.zeros(1, 3, size, size))
    return extractor


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all names, types, shapes and values, independent of the file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
