"""RandAugment: the pixels of torchvision's, operation by operation and draw by draw."""

import pytest
import torch
from torchvision.transforms import v2

from services.trainer.loading.rand_augment import BINS, GROUPS, OPERATIONS, augment_groups

STRENGTHS = (0, 9, BINS - 1)


def photos(size: int, count: int = 4) -> torch.Tensor:
    """Return noise, a gradient and an even image, in channels_last order."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (count, 3, size, size), generator=random, dtype=torch.uint8)
    images[0] = 7
    images[1] = torch.arange(size, dtype=torch.uint8)[None, :, None]
    return images.contiguous(memory_format=torch.channels_last)


def theirs(strength: int) -> v2.RandAugment:
    return v2.RandAugment(num_ops=1, magnitude=strength, fill=128)


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize("size", [33, 64])
def test_each_operation_gives_the_pixels_of_torchvisions(name: str, size: int) -> None:
    images, other = photos(size), theirs(0)
    levels, is_signed = other._AUGMENTATION_SPACE[name]
    assert OPERATIONS[name].is_signed is is_signed
    for strength in STRENGTHS:
        for sign in (1, -1) if is_signed else (1,):
            known = levels(BINS, size, size)
            magnitude = 0.0 if known is None else sign * float(known[strength])
            expected = other._apply_image_or_video_transform(
                images, name, magnitude, other.interpolation, other._fill
            )
            assert torch.equal(OPERATIONS[name].apply(images, magnitude), expected)


def test_the_same_seed_draws_the_operations_that_torchvision_draws() -> None:
    images, other = photos(32, count=2 * GROUPS), theirs(9)
    ours = augment_groups(images.clone(), 2, 9, torch.Generator().manual_seed(3))
    expected = images.clone()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for _ in range(2):
            for group in torch.randperm(len(images)).chunk(GROUPS):
                expected[group] = other(expected[group])
    assert torch.equal(ours, expected)
