"""RandAugment for batches on any device, without reading values from it.

Everything random is drawn in main memory, so the device never has to be waited for. torchvision's
own version uploads a matrix for each shear, shift and rotation, which waits each time; pixels here
equal those of torchvision bit by bit.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import conv2d, grid_sample
from torchvision.transforms.v2 import functional

from services.trainer.devices import filled, upload

GROUPS = 16  # per batch; the images of a group get the same random operation
GREY = 128.0  # of pixels from outside the image
WHITE = 255.0
BINS = 31  # magnitudes are 0 to 30
LARGEST_SHEAR, LARGEST_SHIFT, LARGEST_TURN, LARGEST_CHANGE = 0.3, 150.0 / 331.0, 30.0, 0.9

Images = Tensor  # uint8 N x 3 x S x S


@dataclass(frozen=True)
class Operation:
    """An operation and its range.

    levels: magnitude for each of the BINS strengths, for images of a size in pixels; None without
    a magnitude. A signed magnitude is negative for half of the groups.
    """

    apply: Callable[[Images, float], Images]
    levels: Callable[[int], Tensor] | None = None
    is_signed: bool = False


def augment_groups(
    images: Images, operations: int, strength: int, random: torch.Generator
) -> Images:
    """Apply random operations to random groups of images, in place (Cubuk et al. 2020).

    strength: 0 to 30. random: a generator in main memory.
    """
    for _ in range(operations):
        order = upload(torch.randperm(len(images), generator=random), images.device)
        for group in order.chunk(GROUPS):
            operation = list(OPERATIONS.values())[_draw(len(OPERATIONS), random)]
            magnitude = _magnitude(operation, strength, images.shape[-1], random)
            images[group] = operation.apply(images[group], magnitude)
    return images


def _draw(count: int, random: torch.Generator) -> int:
    return int(torch.randint(count, (), generator=random))


def _magnitude(operation: Operation, strength: int, size: int, random: torch.Generator) -> float:
    if operation.levels is None:
        return 0.0
    magnitude = float(operation.levels(size)[strength])
    is_negative = operation.is_signed and float(torch.rand((), generator=random)) <= 0.5
    return -magnitude if is_negative else magnitude


def _range(largest: float) -> Callable[[int], Tensor]:
    return lambda size: torch.linspace(0.0, largest, BINS)


def _pixels(size: int) -> Tensor:
    return torch.linspace(0.0, LARGEST_SHIFT * size, BINS)


def _bits(size: int) -> Tensor:
    return (8 - torch.arange(BINS) / ((BINS - 1) / 4)).round()


def _thresholds(size: int) -> Tensor:
    return torch.linspace(1.0, 0.0, BINS)


def _shear_x(images: Images, magnitude: float) -> Images:
    corner = images.shape[-1] / 2
    return _warped(images, (1.0, magnitude, corner * magnitude), (0.0, 1.0, 0.0))


def _shear_y(images: Images, magnitude: float) -> Images:
    corner = images.shape[-1] / 2
    return _warped(images, (1.0, 0.0, 0.0), (magnitude, 1.0, corner * magnitude))


def _shift_x(images: Images, magnitude: float) -> Images:
    return _warped(images, (1.0, 0.0, -float(int(magnitude))), (0.0, 1.0, 0.0))


def _shift_y(images: Images, magnitude: float) -> Images:
    return _warped(images, (1.0, 0.0, 0.0), (0.0, 1.0, -float(int(magnitude))))


def _rotated(images: Images, degrees: float) -> Images:
    if degrees == 0:
        return images
    angle = -math.radians(degrees)
    cos, sin = math.cos(angle), math.sin(angle)
    return _warped(images, (cos, sin, 0.0), (-sin, cos, 0.0))


def _warped(
    images: Images, to_x: tuple[float, float, float], to_y: tuple[float, float, float]
) -> Images:
    """Take each pixel (x, y, 1) from (to_x, to_y), nearest neighbour, from the image's centre."""
    size = images.shape[-1]
    lines = torch.linspace((1.0 - size) / 2, (size - 1.0) / 2, size, device=images.device)
    targets = torch.ones(1, size, size, 3, device=images.device)
    targets[..., 0] = lines
    targets[..., 1] = lines[:, None]
    matrix = filled((*to_x, *to_y), images.device).reshape(1, 2, 3).transpose(1, 2)
    grid = targets.view(1, size * size, 3).bmm(matrix.div_(size / 2)).view(1, size, size, 2)
    inside = torch.ones_like(images[:, :1], dtype=torch.float32)
    sources = torch.cat((images.float(), inside), dim=1)
    found = grid_sample(
        sources, grid.expand(len(images), -1, -1, -1), mode="nearest", align_corners=False
    )
    return torch.where(found[:, 3:] < 0.5, GREY, found[:, :3]).round_().to(images.dtype)


def _sharpened(images: Images, magnitude: float) -> Images:
    blur = torch.full((3, 1, 3, 3), 1.0 / 13.0, device=images.device)
    blur[:, :, 1, 1].fill_(5.0 / 13.0)
    sharp = images.float()
    middle = sharp[..., 1:-1, 1:-1]
    blurred = conv2d(sharp, blur, groups=3).round_()
    middle.add_(blurred.sub_(middle), alpha=-magnitude)
    return sharp.clamp_(0, WHITE).to(images.dtype)


def _stretched(images: Images, _magnitude: float) -> Images:
    """Stretch each channel from black to white; an even one keeps its value."""
    values = images.float()
    darkest, brightest = values.amin((-2, -1), keepdim=True), values.amax((-2, -1), keepdim=True)
    is_even = brightest == darkest
    scale = ((brightest - darkest) * (1.0 / WHITE)).masked_fill_(is_even, 1.0)
    stretched = values.sub_(darkest.masked_fill(is_even, 0.0)).div_(scale)
    return stretched.clamp_(0, WHITE).to(images.dtype)


# The order of torchvision.transforms.v2.RandAugment; none is a flip.
OPERATIONS = {
    "Identity": Operation(lambda images, _: images),
    "ShearX": Operation(_shear_x, _range(LARGEST_SHEAR), is_signed=True),
    "ShearY": Operation(_shear_y, _range(LARGEST_SHEAR), is_signed=True),
    "TranslateX": Operation(_shift_x, _pixels, is_signed=True),
    "TranslateY": Operation(_shift_y, _pixels, is_signed=True),
    "Rotate": Operation(_rotated, _range(LARGEST_TURN), is_signed=True),
    "Brightness": Operation(
        lambda images, change: functional.adjust_brightness(images, 1.0 + change),
        _range(LARGEST_CHANGE),
        is_signed=True,
    ),
    "Color": Operation(
        lambda images, change: functional.adjust_saturation(images, 1.0 + change),
        _range(LARGEST_CHANGE),
        is_signed=True,
    ),
    "Contrast": Operation(
        lambda images, change: functional.adjust_contrast(images, 1.0 + change),
        _range(LARGEST_CHANGE),
        is_signed=True,
    ),
    "Sharpness": Operation(_sharpened, _range(LARGEST_CHANGE), is_signed=True),
    "Posterize": Operation(lambda images, bits: functional.posterize(images, int(bits)), _bits),
    "Solarize": Operation(
        lambda images, share: functional.solarize(images, WHITE * share), _thresholds
    ),
    "AutoContrast": Operation(_stretched),
    "Equalize": Operation(lambda images, _: functional.equalize(images)),
}
