"""Image classifiers with a head for our countries, built by name.

Travels in each model package as network.py, hence needs nothing but torch and torchvision
(and safetensors where weights are loaded from a file).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torchvision import models

CUSTOM_NETWORK = "customnet"
SMALL_NETWORK = "smallnet"
STUDY_NETWORKS = (CUSTOM_NETWORK, "efficientnet_b4", "googlenet", "resnet50", "vgg16")
IMAGENET = "imagenet"
IMAGENET_CLASSES = 1000
# Auxiliary heads are dropped. These networks may re-normalise their input, which changes no
# parameter: it must be fixed here, or a network rebuilt from a file would see other inputs.
CONSTRUCTOR_OPTIONS: dict[str, dict[str, bool]] = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": True},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": True},
}


class UnknownNetwork(ValueError):
    """No network has that name; the text lists those that there are."""


class WeightsMismatch(ValueError):
    """The weights are not those of the network; the text says what differs."""


class CustomNet(nn.Module):
    """The study's own network: six convolutions, then two linear layers with dropout 0.7.

    Each convolution is followed by batch normalisation and ReLU. Max-pooling after the first,
    third and fifth brings 64 x 64 pixels down to 4 x 4, which an average makes 2 x 2.
    """

    def __init__(self, num_countries: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 32, kernel=7, stride=2),
            nn.MaxPool2d(2),
            *_convolution(32, 64),
            *_convolution(64, 64),
            nn.MaxPool2d(2),
            *_convolution(64, 96),
            *_convolution(96, 128),
            nn.MaxPool2d(2),
            *_convolution(128, 128),
            nn.AdaptiveAvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(128 * 2 * 2, 256),
            nn.ReLU(inplace=True),
            nn.Dropout(0.7),
            nn.Linear(256, num_countries),
        )

    def forward(self, images: Tensor) -> Tensor:
        """N x 3 x S x S normalised images, S >= 32, to N x countries logits."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


class SmallNet(nn.Module):
    """Three convolutions and one linear layer: 100,000 parameters, for hundreds of images."""

    def __init__(self, num_countries: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 32, stride=2),
            nn.MaxPool2d(2),
            *_convolution(32, 64, kernel=3),
            nn.MaxPool2d(2),
            *_convolution(64, 128, kernel=3),
            nn.MaxPool2d(2),
            nn.AdaptiveAvgPool2d(2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 2 * 2, num_countries)
        )

    def forward(self, images: Tensor) -> Tensor:
        """N x 3 x S x S normalised images, S >= 32, to N x countries logits."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def _convolution(
    channels_in: int, channels_out: int, *, kernel: int = 5, stride: int = 1
) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU(inplace=True),
    ]


OWN_NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    CUSTOM_NETWORK: CustomNet,
    SMALL_NETWORK: SmallNet,
}


def network_names() -> list[str]:
    """Sorted names that build_network takes: ours and torchvision's classifiers."""
    return sorted([*OWN_NETWORKS, *models.list_models(module=models)])


def build_network(name: str, num_countries: int, weights: str | None = None) -> nn.Module:
    """A network in training mode whose last layer has num_countries outputs.

    weights: None for random ones, "imagenet" for torchvision's (downloaded on first use), or the
    path of a .safetensors file, whose head is used only where it has num_countries outputs.
    Raises UnknownNetwork, WeightsMismatch, and OSError when the weights cannot be read.
    """
    if name not in network_names():
        raise UnknownNetwork(
            f"there is no network {name!r}; choose one of {', '.join(network_names())}"
        )
    network = _build(name, num_countries)
    if weights is not None:
        load_backbone(network, _read_weights(name, weights))
    return network


def load_backbone(network: nn.Module, weights: Mapping[str, Tensor]) -> list[str]:
    """Copy weights into a network; the head may differ. Returns the names that kept their values.

    Raises WeightsMismatch when anything but the head is missing or has another shape.
    """
    own = network.state_dict()
    head = tuple(f"{_head_name(network)}.{part}" for part in ("weight", "bias"))
    fits = {key: weights[key] for key in own if _has_shape(weights.get(key), own[key])}
    # Some converters leave out these counters, which only matter without momentum.
    optional = (*head, *(key for key in own if key.endswith("num_batches_tracked")))
    misfits = [key for key in own if key not in fits and key not in optional]
    if misfits:
        raise WeightsMismatch(
            f"{len(misfits)} of the network's {len(own)} tensors are missing from the weights or "
            f"have another shape there, first {misfits[0]}: they belong to another network"
        )
    network.load_state_dict({**own, **fits})
    return [key for key in own if key not in fits]


def check_image_size(network: nn.Module, size: int) -> None:
    """Raise WeightsMismatch unless the network takes size x size images."""
    was_training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, size, size))
    except (AssertionError, RuntimeError) as error:
        reason = str(error).partition("\n")[0]
        raise WeightsMismatch(
            f"it cannot take images of {size} x {size} pixels ({reason})"
        ) from None
    finally:
        network.train(was_training)


def _build(name: str, num_countries: int) -> nn.Module:
    if name in OWN_NETWORKS:
        return OWN_NETWORKS[name](num_countries)
    network: nn.Module = models.get_model(name, weights=None, **CONSTRUCTOR_OPTIONS.get(name, {}))
    _replace_head(network, num_countries)
    return network


def _head_name(network: nn.Module) -> str:
    """Name of the last linear layer, or of the last convolution where there is none."""
    modules: list[tuple[str, nn.Module]] = list(network.named_modules())
    linear = [name for name, module in modules if isinstance(module, nn.Linear)]
    return (linear or [name for name, module in modules if isinstance(module, nn.Conv2d)])[-1]


def _replace_head(network: nn.Module, num_countries: int) -> None:
    parent_name, _, name = _head_name(network).rpartition(".")
    parent = network.get_submodule(parent_name)
    head = getattr(parent, name)
    has_bias = head.bias is not None
    if isinstance(head, nn.Linear):
        setattr(parent, name, nn.Linear(head.in_features, num_countries, bias=has_bias))
    else:
        new = nn.Conv2d(head.in_channels, num_countries, head.kernel_size, bias=has_bias)
        setattr(parent, name, new)


def cut_head(network: nn.Module, num_countries: int) -> None:
    """Keep the first num_countries outputs; the logits that stay are what they were."""
    name = _head_name(network)
    old = network.get_submodule(name).state_dict()
    _replace_head(network, num_countries)
    new = network.get_submodule(name)
    new.load_state_dict({key: tensor[:num_countries] for key, tensor in old.items()})
    new.to(old["weight"].device)


def _has_shape(tensor: Tensor | None, like: Tensor) -> bool:
    return tensor is not None and tensor.shape == like.shape


def _read_weights(name: str, weights: str) -> Mapping[str, Tensor]:
    if weights == IMAGENET:
        return _imagenet_weights(name)
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(weights)
    except SafetensorError:
        raise WeightsMismatch(f"{weights} is not a complete .safetensors file") from None


def _imagenet_weights(name: str) -> Mapping[str, Tensor]:
    if name in OWN_NETWORKS:
        raise WeightsMismatch(f"{name} has no ImageNet weights; use weights = 'none'")
    best = models.get_model_weights(name).DEFAULT
    state: Mapping[str, Tensor] = best.get_state_dict(progress=True, check_hash=True)
    return state
