"""Build image classifiers by name, with a head for our countries.

Trainer and inference share this module. It is also part of each archive for TorchServe, beside
efficientnet_lite.py, so it depends only on torch and torchvision, and on timm for timm's networks.
"""

import re
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torchvision import models

if TYPE_CHECKING or __package__:
    from services.efficientnet_lite import EfficientNetLite0
else:  # in an archive, whose files are all in one folder
    from efficientnet_lite import EfficientNetLite0

CUSTOM_NETWORK = "customnet"
SMALL_NETWORK = "smallnet"
RESNET50_V1 = "resnet50_v1"
LITE0 = "efficientnet_lite0"
TIMM_PREFIX = "timm/"
TIMM_NAME = re.compile(r"timm/[a-z0-9_]+(\.[a-z0-9_]+)?")  # excludes addresses of model hubs
IMAGENET_CLASSES = 1000
IMAGENET_SIZE = 224
# Auxiliary heads are dropped. These networks can re-normalise their input, a setting that is not
# stored with the weights: without a fixed value, a network rebuilt from a file could differ.
CONSTRUCTOR_OPTIONS: dict[str, dict[str, bool]] = {
    "googlenet": {"aux_logits": False, "transform_input": True, "init_weights": True},
    "inception_v3": {"aux_logits": False, "transform_input": True, "init_weights": True},
}


class UnknownNetwork(ValueError):
    """No network has that name; the message lists the known ones, or what to install."""


class UnsuitableSize(ValueError):
    """The network does not accept images of that size; the message says why."""


class CustomNet(nn.Module):
    """The study's own network: six convolutions, then two linear layers with dropout 0.7.

    Each convolution is followed by batch normalisation and ReLU. Max-pooling after the first,
    third and fifth reduces 64 x 64 pixels to 4 x 4, and average pooling to 2 x 2.
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
        """Map N x 3 x S x S normalised images (S >= 32) to N x countries logits."""
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
        """Map N x 3 x S x S normalised images (S >= 32) to N x countries logits."""
        logits: Tensor = self.classifier(self.features(images))
        return logits


def resnet50_v1(num_countries: int) -> nn.Module:
    """Build ResNet-50 as published (He et al. 2015): blocks stride in their first convolution.

    In torchvision they stride in the second one, with the same tensors. Weights of Keras and MXNet
    belong to this variant, with its larger epsilon.
    """
    norm_layer = partial(nn.BatchNorm2d, eps=1e-3)
    network = models.resnet50(weights=None, num_classes=num_countries, norm_layer=norm_layer)
    for layer in (network.layer2, network.layer3, network.layer4):
        layer[0].conv1.stride, layer[0].conv2.stride = (2, 2), (1, 1)
    result: nn.Module = network
    return result


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
    RESNET50_V1: resnet50_v1,
    LITE0: EfficientNetLite0,
}


def network_names() -> list[str]:
    """Return the sorted names of our networks and torchvision's classifiers, without timm's."""
    return sorted([*OWN_NETWORKS, *models.list_models(module=models)])


def check_network_name(name: str) -> None:
    """Raise UnknownNetwork for unknown names; timm's names are only checked for their form."""
    if name not in network_names() and not TIMM_NAME.fullmatch(name):
        raise UnknownNetwork(
            f"there is no network {name!r}; use one of {', '.join(network_names())}, or timm/NAME "
            "for a network of timm"
        )


def build_network(name: str, num_countries: int, image_size: int = IMAGENET_SIZE) -> nn.Module:
    """Build a network with random weights in training mode, with num_countries outputs.

    image_size: transformers are built for it; other networks accept any that is large enough.
    Raises UnknownNetwork and UnsuitableSize.
    """
    check_network_name(name)
    try:
        return _build(name, num_countries, image_size)
    except (AssertionError, ValueError) as error:
        if isinstance(error, UnknownNetwork):
            raise
        raise _size_refused(image_size, error) from None


def replace_head_by_identity(network: nn.Module) -> None:
    """Make a network return its features, the input of its last layer."""
    parent_name, _, name = head_name(network).rpartition(".")
    setattr(network.get_submodule(parent_name), name, nn.Identity())


def check_image_size(network: nn.Module, size: int) -> None:
    """Raise UnsuitableSize unless the network accepts size x size images."""
    was_training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(2, 3, size, size))
    except (AssertionError, RuntimeError) as error:
        raise _size_refused(size, error) from None
    finally:
        network.train(was_training)


def head_name(network: nn.Module) -> str:
    """Return the name of the last linear layer, else of the last convolution."""
    modules: list[tuple[str, nn.Module]] = list(network.named_modules())
    linear = [name for name, module in modules if isinstance(module, nn.Linear)]
    return (linear or [name for name, module in modules if isinstance(module, nn.Conv2d)])[-1]


def _build(name: str, num_countries: int, image_size: int) -> nn.Module:
    if name in OWN_NETWORKS:
        return OWN_NETWORKS[name](num_countries)
    if name.startswith(TIMM_PREFIX):
        return build_timm(name, image_size, num_classes=num_countries)
    options: dict[str, Any] = {**CONSTRUCTOR_OPTIONS.get(name, {})}
    if name.startswith("vit_"):
        options["image_size"] = image_size
    elif name.startswith("maxvit_"):
        options["input_size"] = (image_size, image_size)
    network: nn.Module = models.get_model(name, weights=None, **options)
    _replace_head(network, num_countries)
    return network


def build_timm(name: str, image_size: int, **options: Any) -> nn.Module:
    """Build a network of timm; options are those of timm.create_model. Raises UnknownNetwork."""
    try:
        import timm
    except ImportError:
        raise UnknownNetwork(
            f"{name} needs the package timm (our extra 'timm'), which is not installed: "
            "`pip install timm`"
        ) from None
    timm_name = name.removeprefix(TIMM_PREFIX)
    if not timm.is_model(timm_name):
        raise UnknownNetwork(f"timm has no {timm_name!r}; timm.list_models() lists its networks")
    facts = timm.get_pretrained_cfg(timm_name)
    if facts is not None and facts.fixed_input_size:
        options["img_size"] = image_size
    network: nn.Module = timm.create_model(timm_name, **options)
    return network


def _size_refused(size: int, error: Exception) -> UnsuitableSize:
    reason = str(error).partition("\n")[0]
    return UnsuitableSize(f"it does not accept images of {size} x {size} pixels ({reason})")


def _replace_head(network: nn.Module, num_countries: int) -> None:
    parent_name, _, name = head_name(network).rpartition(".")
    parent = network.get_submodule(parent_name)
    head = getattr(parent, name)
    has_bias = head.bias is not None
    if isinstance(head, nn.Linear):
        setattr(parent, name, nn.Linear(head.in_features, num_countries, bias=has_bias))
    else:
        new = nn.Conv2d(head.in_channels, num_countries, head.kernel_size, bias=has_bias)
        setattr(parent, name, new)


def cut_head(network: nn.Module, num_countries: int) -> None:
    """Keep only the first num_countries outputs; their logits do not change."""
    name = head_name(network)
    old = network.get_submodule(name).state_dict()
    _replace_head(network, num_countries)
    new = network.get_submodule(name)
    new.load_state_dict({key: tensor[:num_countries] for key, tensor in old.items()})
    new.to(old["weight"].device)
