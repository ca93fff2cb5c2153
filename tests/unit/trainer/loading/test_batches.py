"""Batches: every image once, normalised, with augmentation that depends only on the seed."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from euguess.messages.serving import ImageSpec
from euguess.training.recipes.sections import Augmentation
from services.inference.classifier import normalise
from services.trainer.loading.augmentation import colour_jitter, rand_augment, random_crop
from services.trainer.loading.batches import Batch, DeviceImages, num_batches
from tests.support.tiny_training import CPU, tiny_recipe

PLAIN = Augmentation()
SIZE = 32


def images(count: int = 10) -> DeviceImages:
    """Make images: number n has the value n in every pixel, and n as its label."""
    numbers = np.arange(count, dtype=np.uint8)
    pixels = np.broadcast_to(numbers[:, None, None, None], (count, SIZE, SIZE, 3))
    return DeviceImages(pixels, np.arange(count), ImageSpec(size=SIZE), CPU)


def numbers(batch: Batch) -> list[int]:
    """Return the pixel values of a batch, from the normalised red channel."""
    spec = ImageSpec(size=SIZE)
    values = (batch.images[:, 0, 0, 0] * spec.std[0] + spec.mean[0]) * 255
    return [round(float(value)) for value in values]


def test_batches_keep_the_order_of_the_rows() -> None:
    rows = np.array([3, 1, 4, 5, 9])
    batches = list(images().batches(rows, batch_size=2))
    assert [numbers(batch) for batch in batches] == [[3, 1], [4, 5], [9]]
    assert [batch.labels.tolist() for batch in batches] == [[3, 1], [4, 5], [9]]


def test_an_epoch_has_every_image_once_in_another_order() -> None:
    rows = np.arange(10)
    epochs = [list(images().training_batches(rows, 3, PLAIN, seed)) for seed in (1, 2)]
    orders = [[n for batch in epoch for n in numbers(batch)] for epoch in epochs]
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert orders[0] != orders[1]
    assert [len(batch.labels) for batch in epochs[0]] == [3, 3, 2, 2]


@pytest.mark.parametrize(("count", "size", "batches"), [(10, 3, 4), (9, 3, 3), (2, 64, 1)])
def test_batches_have_nearly_equal_sizes(count: int, size: int, batches: int) -> None:
    assert num_batches(count, size) == batches


def test_images_are_normalised_and_channels_last() -> None:
    (batch,) = images().batches(np.array([0]), 1)
    spec = ImageSpec(size=SIZE)
    assert batch.images[0, :, 0, 0].tolist() == pytest.approx(
        [-mean / std for mean, std in zip(spec.mean, spec.std, strict=True)]
    )
    assert batch.images.is_contiguous(memory_format=torch.channels_last)


def test_training_and_serving_normalise_as_the_recipe_says() -> None:
    recipe = tiny_recipe("mean=[0.5, 0.4, 0.3]", "std=[0.5, 0.6, 0.7]")
    pixels = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3), dtype=np.uint8)
    held = DeviceImages(pixels, np.arange(4), recipe.image, CPU)
    (batch,) = held.batches(np.arange(4), 4)
    card = recipe.image.model_dump()
    mean, std = (np.asarray(card[name], np.float32) for name in ("mean", "std"))
    np.testing.assert_allclose(batch.images.numpy(), normalise(pixels, mean, std), atol=1e-6)


def gradient() -> torch.Tensor:
    """Return pixels that encode their position: red is the row, green the column."""
    rows, columns = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    return torch.stack([rows, columns, rows], dim=-1).to(torch.uint8).repeat(50, 1, 1, 1)


def test_a_crop_moves_images_by_at_most_the_share() -> None:
    generator = torch.Generator().manual_seed(0)
    moved = random_crop(gradient(), Augmentation(shift=0.25), generator).int()
    centre = moved[:, SIZE // 2, SIZE // 2, :2] - SIZE // 2
    assert centre.abs().max() <= SIZE // 4
    assert len(torch.unique(centre, dim=0)) > 20


def test_a_crop_never_mirrors_the_middle_of_an_image() -> None:
    generator = torch.Generator().manual_seed(0)
    moved = random_crop(gradient(), Augmentation(shift=0.2, zoom=0.3), generator).int()
    steps = moved[:, SIZE // 2, 10:22, 1].diff(dim=1)
    assert bool((steps >= 0).all())


def test_without_augmentation_pixels_are_untouched() -> None:
    generator = torch.Generator().manual_seed(0)
    pixels = gradient()
    assert random_crop(pixels, PLAIN, generator) is pixels
    scaled = torch.rand(2, 3, 4, 4)
    assert torch.equal(colour_jitter(scaled, PLAIN, generator), scaled)


@pytest.mark.parametrize("kind", ["brightness", "contrast", "saturation"])
def test_colour_jitter_changes_images_within_their_range(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    scaled = torch.rand(8, 3, 16, 16, generator=generator)
    changed = colour_jitter(scaled, Augmentation.model_validate({kind: 0.5}), generator)
    assert not torch.equal(changed, scaled)
    assert 0 <= float(changed.min()) <= float(changed.max()) <= 1


def test_randaugment_depends_only_on_the_generator() -> None:
    recipe = Augmentation(randaugment=2)
    before = torch.get_rng_state()
    first, same, other = (
        rand_augment(gradient(), recipe, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
    )
    assert first.dtype == torch.uint8
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)
    assert len(torch.unique(first.flatten(1), dim=0)) > 5


@pytest.mark.parametrize("seed", range(5))
def test_randaugment_never_mirrors_an_image(seed: int) -> None:
    """Green rises over the columns; values are too low to be solarised, which would reverse it."""
    generator = torch.Generator().manual_seed(seed)
    recipe = Augmentation(randaugment=1, magnitude=5)
    changed = rand_augment(gradient() * 4, recipe, generator).float()
    middle = changed[:, 12:20, 12:20]
    assert bool((middle[:, :, -1, 1] >= middle[:, :, 0, 1]).all())


def test_images_that_do_not_fit_are_read_ahead_batch_by_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = np.array([7, 2, 5, 1, 9])
    resident = list(images().training_batches(rows, 2, PLAIN, seed=3))
    monkeypatch.setattr("services.trainer.loading.batches.RESIDENT_SHARE", 0.0)
    reading = images()
    assert [numbers(batch) for batch in reading.batches(rows, 2)] == [[7, 2], [5, 1], [9]]
    for one, other in zip(reading.training_batches(rows, 2, PLAIN, seed=3), resident, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.labels, other.labels)


def test_images_are_moved_to_the_device_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.trainer.loading.batches.UPLOAD_BYTES", 3 * SIZE * SIZE * 3)
    assert [numbers(batch) for batch in images().batches(np.arange(10), 10)] == [list(range(10))]


def test_the_pixels_of_the_cache_are_never_changed() -> None:
    pixels: NDArray[np.uint8] = np.full((4, SIZE, SIZE, 3), 100, dtype=np.uint8)
    held = DeviceImages(pixels, np.arange(4), ImageSpec(size=SIZE), CPU)
    jitter = Augmentation(shift=0.2, brightness=0.5)
    list(held.training_batches(np.arange(4), 2, jitter, seed=3))
    assert pixels.min() == pixels.max() == 100
