"""Batches of normalised images on the device, from uint8 pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor

from euguess.messages.serving import ImageSpec
from euguess.training.recipes.sections import Augmentation
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.devices import pinned, random_numbers, upload
from services.trainer.loading.augmentation import colour_jitter, rand_augment, random_crop
from services.trainer.loading.read_ahead import read_ahead

Pixels = NDArray[np.uint8]  # N x S x S x 3, in memory or mapped from a file
RESIDENT_SHARE = 0.5  # of the device's free memory for pixels; the rest is for training
UPLOAD_BYTES = 64_000_000  # at a time, when all pixels are moved to the device


@dataclass(frozen=True)
class Batch:
    """images: N x 3 x S x S float32 in channels_last order (1.36 times faster on a CPU).

    A mixed image has its label with weight `share` and its partner with weight 1 - share.
    """

    images: Tensor
    labels: Tensor
    partners: Tensor | None = None
    share: float = 1.0

    def parts(self, count: int) -> list["Batch"]:
        """Split into at most `count` nearly equal batches of 2 or more images (for batch norm)."""
        number = max(1, min(count, len(self.labels) // 2))
        if number == 1:
            return [self]
        images, labels = self.images.tensor_split(number), self.labels.tensor_split(number)
        if self.partners is None:
            return [Batch(*pair) for pair in zip(images, labels, strict=True)]
        partners = self.partners.tensor_split(number)
        return [Batch(*each, self.share) for each in zip(images, labels, partners, strict=True)]


class DeviceImages:
    """All images of a cache, moved to the device once if they fit, else read ahead in threads.

    On a GPU no batch waits for the work of an earlier one: the order of all rows is uploaded before
    the first batch, and everything random is drawn on the device or in main memory.
    """

    def __init__(
        self, pixels: Pixels, labels: Rows, image: ImageSpec, device: torch.device
    ) -> None:
        self.device = device
        self._pixels = pixels
        self._resident = self._upload_all() if _fits(pixels.nbytes, device) else None
        self._labels = upload(torch.from_numpy(labels), device)
        self._mean = torch.tensor(image.mean, device=device)[:, None, None]
        self._std = torch.tensor(image.std, device=device)[:, None, None]

    def batches(self, rows: Rows, batch_size: int) -> Iterator[Batch]:
        """Yield batches of the given rows, in order and unchanged."""
        sizes = [min(batch_size, len(rows) - at) for at in range(0, len(rows), batch_size)]
        for pixels, labels in self._parts(rows, sizes):
            yield Batch(self._normalised(_scaled(pixels)), labels)

    def training_batches(
        self,
        rows: Rows,
        batch_size: int,
        augmentation: Augmentation,
        seed: int,
        order_seed: int | None = None,
    ) -> Iterator[Batch]:
        """Return an iterator of shuffled and augmented batches; a pure function of the arguments.

        order_seed affects the order only; it defaults to seed.
        """
        order = np.random.default_rng(seed if order_seed is None else order_seed)
        shuffled = order.permutation(rows)
        parts = np.array_split(shuffled, num_batches(len(rows), batch_size))
        taken = self._parts(shuffled, [len(part) for part in parts])
        return self._augmented(taken, augmentation, seed)

    def _augmented(
        self, parts: Iterator[tuple[Tensor, Tensor]], augmentation: Augmentation, seed: int
    ) -> Iterator[Batch]:
        generator = random_numbers(self.device, seed)
        is_host = generator.device.type == "cpu"
        host = generator if is_host else torch.Generator().manual_seed(seed)
        for taken, labels in parts:
            pixels = random_crop(taken, augmentation, generator)
            pixels = rand_augment(pixels, augmentation, host)
            images = colour_jitter(_scaled(pixels), augmentation, generator)
            yield Batch(self._normalised(images), labels)

    def _parts(self, rows: Rows, sizes: Sequence[int]) -> Iterator[tuple[Tensor, Tensor]]:
        """Return uint8 N x S x S x 3 and labels of consecutive parts of the rows, on the device."""
        uploaded = upload(torch.from_numpy(rows), self.device)
        labels = self._labels[uploaded].split_with_sizes(list(sizes))
        return zip(self._pixels_of(rows, uploaded, sizes), labels, strict=True)

    def _pixels_of(self, rows: Rows, uploaded: Tensor, sizes: Sequence[int]) -> Iterator[Tensor]:
        if self._resident is not None:
            for part in uploaded.split_with_sizes(list(sizes)):
                yield self._resident[part]
        else:
            ends = np.cumsum(sizes).tolist()
            parts = [rows[end - size : end] for end, size in zip(ends, sizes, strict=True)]
            for pixels in read_ahead(self._read, parts):
                yield upload(pixels, self.device)

    def _upload_all(self) -> Tensor:
        resident = torch.empty(self._pixels.shape, dtype=torch.uint8, device=self.device)
        count = len(self._pixels)
        at_once = max(1, UPLOAD_BYTES * count // max(1, self._pixels.nbytes))
        starts = range(0, count, at_once)
        parts = [np.arange(start, min(start + at_once, count)) for start in starts]
        for start, pixels in zip(starts, read_ahead(self._read, parts), strict=True):
            resident[start : start + len(pixels)] = upload(pixels, self.device)
        return resident

    def _read(self, rows: Rows) -> Tensor:
        return pinned(torch.from_numpy(np.take(self._pixels, rows, axis=0)), self.device)

    def _normalised(self, images: Tensor) -> Tensor:
        normalised = (images - self._mean) / self._std
        return normalised.contiguous(memory_format=torch.channels_last)


def num_batches(images: int, batch_size: int) -> int:
    """Return the number of nearly equal batches; a small last one would have poor statistics."""
    return max(1, -(-images // batch_size))


def _scaled(pixels: Tensor) -> Tensor:
    """Scale to 0..1 and N x 3 x S x S, which is channels_last without a copy."""
    return pixels.permute(0, 3, 1, 2).float() / 255


def _fits(num_bytes: int, device: torch.device) -> bool:
    free: int
    if device.type == "cuda":
        free = torch.cuda.mem_get_info(device)[0]
    else:
        free = psutil.virtual_memory().available
    return num_bytes <= RESIDENT_SHARE * free


def country_weights(counts: NDArray[np.int64], strength: float) -> Floats:
    """Return the relative frequency of drawing an image, by country: counts ** -strength."""
    return np.maximum(counts, 1).astype(np.float64) ** -strength


def draw_rows(rows: Rows, labels: Rows, strength: float, seed: int) -> Rows:
    """Draw the same number of rows, with replacement; rare countries occur more often.

    strength: 0 returns the rows unchanged, 1 makes all countries equally frequent on average
    (0.5 is the square-root sampling of Mahajan et al. 2018). labels: one per row.
    """
    if not strength:
        return rows
    weights = country_weights(np.bincount(labels), strength)[labels]
    generator = np.random.default_rng([seed, len(rows)])
    return generator.choice(rows, size=len(rows), p=weights / weights.sum())
