"""Augmentation of batches of images, on their device."""

import torch
from torch import Tensor

from euguess.training.recipes.sections import Augmentation
from services.trainer.devices import filled
from services.trainer.loading.rand_augment import augment_groups

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601


def random_crop(pixels: Tensor, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Shift and zoom each image of a uint8 N x S x S x 3 batch; borders are mirrored.

    Uses one nearest-neighbour gather, since resampling would blur such small images.
    """
    if not recipe.shift and not recipe.zoom:
        return pixels
    count, size = pixels.shape[:2]
    scale = 1 - recipe.zoom * _uniform(pixels, generator)
    rows = _source_lines(size, scale, recipe.shift * _symmetric(pixels, generator))
    columns = _source_lines(size, scale, recipe.shift * _symmetric(pixels, generator))
    images = torch.arange(count, device=pixels.device)
    return pixels[images[:, None, None], rows[:, :, None], columns[:, None, :]]


def rand_augment(pixels: Tensor, recipe: Augmentation, host: torch.Generator) -> Tensor:
    """Apply RandAugment (Cubuk et al. 2020) to a uint8 N x S x S x 3 batch.

    None of its 14 operations is a flip: identity, shear, shift, rotation, brightness, colour,
    contrast, sharpness, posterise, solarise, autocontrast, equalise. Each operation is
    drawn for a random group of images, since drawing one per image takes several times longer.
    host: a generator in main memory, so that drawing does not wait for a GPU.
    """
    if not recipe.randaugment:
        return pixels
    drawn = torch.Generator().manual_seed(int(torch.randint(2**31, (), generator=host)))
    images = pixels.permute(0, 3, 1, 2).clone()
    return augment_groups(images, recipe.randaugment, recipe.magnitude, drawn).permute(0, 2, 3, 1)


def colour_jitter(images: Tensor, recipe: Augmentation, generator: torch.Generator) -> Tensor:
    """Change brightness, contrast and saturation of each image of a 0..1 N x 3 x S x S batch."""
    if recipe.brightness:
        images = images * _factor(images, recipe.brightness, generator)
    if recipe.contrast:
        means = _luma(images).mean(dim=(2, 3), keepdim=True)
        images = torch.lerp(means, images, _factor(images, recipe.contrast, generator))
    if recipe.saturation:
        images = torch.lerp(_luma(images), images, _factor(images, recipe.saturation, generator))
    return images.clamp(0, 1)


def _source_lines(size: int, scale: Tensor, shift: Tensor) -> Tensor:
    """Return for each image the source rows (or columns) of its `size` lines: (N, size)."""
    centred = torch.arange(size, device=scale.device) - (size - 1) / 2
    lines = centred * scale[:, None] + (size - 1) / 2 + size * shift[:, None]
    mirrored = lines.round().abs()
    return (size - 1 - (size - 1 - mirrored).abs()).long()


def _factor(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    factors = 1 + strength * _symmetric(images, generator)
    return factors[:, None, None, None].to(images.dtype)


def _luma(images: Tensor) -> Tensor:
    weights = filled(LUMA, images.device).to(images.dtype)
    return (images * weights[:, None, None]).sum(dim=1, keepdim=True)


def _uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(images), generator=generator, device=images.device)


def _symmetric(images: Tensor, generator: torch.Generator) -> Tensor:
    """Return one number from -1 to 1 for each image, on its device."""
    return 2 * _uniform(images, generator) - 1
