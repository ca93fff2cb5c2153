"""Frozen networks without a head, which turn images into features."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor

from euguess.errors import InvalidRecipe
from euguess.messages.serving import ImageSpec
from euguess.training.recipes.head_recipe import Backbone
from euguess.training.recipes.recipe import NO_WEIGHTS
from services.head_network import FrozenBackbone
from services.networks import (
    UnknownNetwork,
    UnsuitableSize,
    check_image_size,
    replace_head_by_identity,
)
from services.trainer.devices import on_device
from services.trainer.pretrained import WeightsMismatch, build_pretrained


def build_backbone(backbone: Backbone, image: ImageSpec, device: torch.device) -> FrozenBackbone:
    """Build a backbone in evaluation mode, without its head. Raises InvalidRecipe.

    image: the images that it is given, whose size and normalisation may differ from its own.
    """
    weights = None if backbone.weights == NO_WEIGHTS else backbone.weights
    torch.manual_seed(0)  # makes random weights reproducible
    try:
        network = build_pretrained(backbone.network, 1, weights, backbone.image_size)
        check_image_size(network, backbone.image_size)
        replace_head_by_identity(network)
        given, own = image.model_dump(), backbone.image.model_dump()
        frozen = FrozenBackbone(network, backbone.layers, given, own)
    except (UnknownNetwork, UnsuitableSize, WeightsMismatch) as error:
        raise InvalidRecipe(f"backbone {backbone.network}: {error}.") from None
    except (AttributeError, IndexError):
        raise InvalidRecipe(
            f"backbone {backbone.network}: layers must name modules that return N x C x H x W or "
            f"N x tokens x C, not {', '.join(backbone.layers)}."
        ) from None
    except OSError as error:
        raise InvalidRecipe(
            f"Could not load the weights {weights!r} of {backbone.network} ({error}). Use 'none', "
            "the path of a .safetensors file, or 'imagenet' on a machine with internet access."
        ) from None
    return on_device(frozen, device)  # type: ignore[return-value]  # nn.Module.to


def weights_digest(weights: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of all names, types, shapes and values, independent of the file."""
    digest = hashlib.sha256()
    for name, tensor in sorted(weights.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
