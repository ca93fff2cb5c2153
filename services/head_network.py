"""A head on frozen backbones as one network, from images to logits.

Trainer and inference share this module: the trainer computes features with it, and inference
rebuilds the network from the backbones that the model card describes. It is also part of each
archive for TorchServe, beside networks.py.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, normalize

if TYPE_CHECKING or __package__:
    from services.networks import build_network, replace_head_by_identity
else:  # in an archive, whose files are all in one folder
    from networks import build_network, replace_head_by_identity

Description = Mapping[str, Any]  # serving.BackboneSpec as JSON
Image = Mapping[str, Any]  # serving.ImageSpec as JSON
SPREAD = ":spread"  # after the name of a layer: standard deviations instead of means
SMALLEST_VARIANCE = 1e-12  # keeps the gradient of a constant channel finite


class ImageAdapter(nn.Module):
    """Turns a model's input images into those of a backbone: another size and normalisation.

    Resizing is antialiased and bilinear. It is linear in rows and in columns, so it is two
    products with a matrix, which torch and ONNX Runtime compute alike.
    """

    rows: Tensor
    factor: Tensor
    offset: Tensor

    def __init__(self, given: Image, wanted: Image) -> None:
        super().__init__()
        self.is_resized = given["size"] != wanted["size"]
        self.is_scaled = any(list(given[key]) != list(wanted[key]) for key in ("mean", "std"))
        if self.is_resized:
            self.register_buffer("rows", _resizing(given["size"], wanted["size"]))
        if self.is_scaled:
            old, new = _colours(given), _colours(wanted)
            self.register_buffer("factor", (old["std"] / new["std"]).float())
            self.register_buffer("offset", ((old["mean"] - new["mean"]) / new["std"]).float())

    def forward(self, images: Tensor) -> Tensor:
        if self.is_resized:
            images = self.rows @ images @ self.rows.T
        if self.is_scaled:
            images = images * self.factor + self.offset
        return images


class FrozenBackbone(nn.Module):
    """Computes a network's penultimate features, followed by statistics of inner layers.

    The name of a layer stands for the means of its channels over the image, and the name with
    SPREAD for their standard deviations.
    """

    def __init__(self, network: nn.Module, layers: Sequence[str], given: Image, own: Image) -> None:
        """network: without its head. Raises AttributeError for unknown layers, IndexError for
        layers without positions.
        """
        super().__init__()
        self.adapter = ImageAdapter(given, own)
        self.network = network
        self.layers = tuple(layers)
        with torch.inference_mode():
            blocks = self.eval().blocks(torch.zeros(1, 3, given["size"], given["size"]))
        self.widths = tuple(block.shape[1] for block in blocks)

    def forward(self, images: Tensor) -> Tensor:
        """Turn N x 3 x S x S normalised images into N x features."""
        return torch.cat(self.blocks(images), dim=1)

    def blocks(self, images: Tensor) -> list[Tensor]:
        """Return N x features for the network's end and for each layer."""
        found: dict[str, Tensor] = {}
        hooks = [
            self.network.get_submodule(name.removesuffix(SPREAD)).register_forward_hook(
                partial(_keep, found, name)
            )
            for name in self.layers
        ]
        try:
            penultimate = self.network(self.adapter(images)).flatten(1)
        finally:
            for hook in hooks:
                hook.remove()
        return [penultimate, *(found[name] for name in self.layers)]


class HeadPart(nn.Module):
    """A backbone's share of the logits: features, scaled and weighted."""

    mean: Tensor
    factor: Tensor

    def __init__(self, backbone: FrozenBackbone, num_countries: int, *, unit_length: bool) -> None:
        super().__init__()
        self.backbone = backbone
        self.unit_length = unit_length
        width = sum(backbone.widths)
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("factor", torch.ones(width))
        self.weights = nn.Linear(width, num_countries, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        share: Tensor = self.weights(self.features(images))
        return share

    def features(self, images: Tensor) -> Tensor:
        """Return the scaled features."""
        blocks = self.backbone.blocks(images)
        if self.unit_length:
            blocks = [normalize(block, dim=1) for block in blocks]
        return (torch.cat(blocks, dim=1) - self.mean) * self.factor


class HeadNetwork(nn.Module):
    """Logits as the sum of the backbones' shares and a bias."""

    def __init__(self, parts: Sequence[HeadPart], num_countries: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.bias = nn.Parameter(torch.zeros(num_countries))

    def forward(self, images: Tensor) -> Tensor:
        """Map N x 3 x S x S normalised images to N x countries logits."""
        logits: Tensor = self.bias
        for part in self.parts:
            logits = logits + part(images)
        return logits


def build_model(
    network: str, num_countries: int, image: Image, backbones: Sequence[Description] = ()
) -> nn.Module:
    """Build the network that a model card describes, with random weights.

    Raises UnknownNetwork and UnsuitableSize.
    """
    if not backbones:
        return build_network(network, num_countries, image_size=image["size"])
    parts = [
        HeadPart(_backbone(one, image), num_countries, unit_length=one["unit_length"])
        for one in backbones
    ]
    return HeadNetwork(parts, num_countries)


def _backbone(described: Description, image: Image) -> FrozenBackbone:
    own = described["image"]
    network = build_network(described["network"], 1, image_size=own["size"])
    replace_head_by_identity(network)
    return FrozenBackbone(network, described["layers"], image, own)


def _keep(
    found: dict[str, Tensor], name: str, _module: nn.Module, _inputs: Any, output: Tensor
) -> None:
    found[name] = _spreads(output) if name.endswith(SPREAD) else _means(output)


def _means(output: Tensor) -> Tensor:
    """Return N x C means over the positions."""
    return output.mean(dim=_positions(output))


def _spreads(output: Tensor) -> Tensor:
    """Return N x C standard deviations over the positions."""
    positions = _positions(output)
    deviations = output - output.mean(dim=positions, keepdim=True)
    return (deviations.square().mean(dim=positions) + SMALLEST_VARIANCE).sqrt()


def _positions(output: Tensor) -> tuple[int, ...]:
    """Return the axes of N x C x H x W, N x H x W x C (of square images) or N x tokens x C."""
    if output.ndim == 3:
        return (1,)
    return (1, 2) if output.shape[2] != output.shape[3] else (2, 3)


def _resizing(given: int, wanted: int) -> Tensor:
    """Return the wanted x given matrix that resizes columns."""
    columns = torch.eye(given, dtype=torch.float64)[None, None]
    size = (wanted, given)
    matrix = interpolate(columns, size, mode="bilinear", align_corners=False, antialias=True)
    return matrix[0, 0].float()


def _colours(image: Image) -> dict[str, Tensor]:
    return {
        key: torch.tensor(image[key], dtype=torch.float64)[:, None, None] for key in ("mean", "std")
    }
