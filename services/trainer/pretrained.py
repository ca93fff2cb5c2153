"""Build networks with pretrained weights. Nothing here runs code from a file of weights."""

import hashlib
import io
import pickle
import re
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from services.networks import (
    IMAGENET_SIZE,
    OWN_NETWORKS,
    TIMM_PREFIX,
    build_network,
    build_timm,
    head_name,
)

IMAGENET = "imagenet"
WEIGHTS_NAME = re.compile(r"[A-Z][A-Z0-9_]*")  # a member of torchvision's enumeration
DIGEST = re.compile(r"[0-9a-f]{8,64}")
POSITIONS = "encoder.pos_embedding"  # of torchvision's vision transformers


class WeightsMismatch(ValueError):
    """The weights do not fit the network; the message says what differs."""


def build_pretrained(
    name: str, num_countries: int, weights: str | None, image_size: int = IMAGENET_SIZE
) -> nn.Module:
    """Build a network in training mode whose last layer has num_countries outputs.

    weights: None for random ones, "imagenet" for the library's best (downloaded on first use), a
    name of torchvision's enumeration such as "IMAGENET1K_V1", or the path of a .safetensors file
    (any float type), whose head is used only if it has num_countries outputs.
    Raises UnknownNetwork, UnsuitableSize, WeightsMismatch, and OSError if the weights cannot be
    read.
    """
    network = build_network(name, num_countries, image_size)
    if weights is not None:
        state = _read_weights(name, weights, image_size)
        load_backbone(network, with_positions(network, state))
    return network


def load_backbone(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy weights to a network; the head may differ. Return the names that were not copied.

    Raises WeightsMismatch if anything but the head is missing or has a different shape.
    """
    own = network.state_dict()
    head = tuple(f"{head_name(network)}.{part}" for part in ("weight", "bias"))
    fits = {key: weights[key] for key in own if _has_shape(weights.get(key), own[key])}
    # Some converters omit these counters, which only matter without momentum.
    optional = (*head, *(key for key in own if key.endswith("num_batches_tracked")))
    misfits = [key for key in own if key not in fits and key not in optional]
    if misfits:
        raise WeightsMismatch(
            f"{len(misfits)} of the network's {len(own)} tensors are missing from the weights or "
            f"have a different shape there (first: {misfits[0]}); they belong to another network"
        )
    network.load_state_dict({**own, **fits})
    return [key for key in own if key not in fits]


def with_positions(network: nn.Module, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Interpolate a vision transformer's position embeddings to the network's image size."""
    own = network.state_dict().get(POSITIONS)
    positions = state.get(POSITIONS)
    if own is None or positions is None or own.shape == positions.shape:
        return state
    floats = {**state, POSITIONS: positions.float()}
    resized: Mapping[str, Tensor] = interpolate_embeddings(
        network.image_size, network.patch_size, floats
    )
    return resized


def _has_shape(tensor: Tensor | None, like: Tensor) -> bool:
    return tensor is not None and tensor.shape == like.shape


def _read_weights(name: str, weights: str, image_size: int) -> Mapping[str, Tensor]:
    if weights == IMAGENET or WEIGHTS_NAME.fullmatch(weights):
        return _published_weights(name, weights, image_size)
    try:
        return load_file(weights)
    except SafetensorError:
        raise WeightsMismatch(f"{weights} is not a complete .safetensors file") from None


def _published_weights(name: str, weights: str, image_size: int) -> Mapping[str, Tensor]:
    if name in OWN_NETWORKS:
        raise WeightsMismatch(
            f"{name} has no ImageNet weights to download; use weights = 'none' or a file"
        )
    try:
        if name.startswith(TIMM_PREFIX):
            return _timm_weights(name, weights, image_size)
        return _torchvision_weights(name, weights)
    except RuntimeError as error:  # a damaged download, or a network without weights
        raise OSError(str(error)) from None


def _torchvision_weights(name: str, weights: str) -> Mapping[str, Tensor]:
    known = models.get_model_weights(name)
    member = "DEFAULT" if weights == IMAGENET else weights
    if member not in known.__members__:
        raise WeightsMismatch(
            f"{name} has no weights with that name; torchvision has {', '.join(known.__members__)}"
        )
    return _downloaded(known[member].url)


def _downloaded(url: str) -> Mapping[str, Tensor]:
    """Read a file of torchvision, downloaded on first use. Raises OSError.

    The file is a pickle, so its digest is checked each time, and only tensors are unpickled.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]
    digest = path.stem.rpartition("-")[2]  # torchvision names the first digits of the SHA-256
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), digest)
    data = path.read_bytes()
    if not (DIGEST.fullmatch(digest) and hashlib.sha256(data).hexdigest().startswith(digest)):
        raise OSError(
            f"{path} does not have the SHA-256 in its name: it is damaged, or was replaced. Delete "
            "it to download it again"
        )
    try:
        state: Mapping[str, Tensor] = torch.load(  # noqa: TID251 # unpickles tensors only
            io.BytesIO(data), map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError:
        raise OSError(f"{path} contains more than tensors, so it was not loaded") from None
    return state


def _timm_weights(name: str, weights: str, image_size: int) -> Mapping[str, Tensor]:
    if weights != IMAGENET:
        raise WeightsMismatch(
            "timm names the weights in the network: use network = 'timm/NAME.TAG' with "
            "weights = 'imagenet'"
        )
    return build_timm(name, image_size, pretrained=True).state_dict()
