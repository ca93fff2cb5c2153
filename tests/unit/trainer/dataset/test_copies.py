"""Perceptual hashes: near for copies of a photo, far for others."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euguess.images.perceptual_hash import hash_images
from euguess.images.preprocessing import decode_photo
from services.trainer.dataset.copies import MAX_BITS, copy_pairs, nearest_copies


def encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def hashes_of(photos: list[bytes], size: int = 64) -> np.ndarray:
    return hash_images(np.stack([decode_photo(data, size) for data in photos]))


def bits_apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.bitwise_count(one ^ other))


def photo(seed: int) -> bytes:
    """Draw random blocks with all low frequencies, as in a street scene."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return encoded(Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC), 90)


PHOTOS = [photo(seed) for seed in range(40)]


def test_copies_are_near_and_other_photos_far() -> None:
    opened = [Image.open(io.BytesIO(data)) for data in PHOTOS]
    own = hashes_of(PHOTOS)
    for copies in (
        [encoded(image, 40) for image in opened],
        [encoded(image.resize((128, 128)), 80) for image in opened],
        [encoded(image.point(lambda value: 0.9 * value), 90) for image in opened],
    ):
        assert bits_apart(own, hashes_of(copies)).max() <= MAX_BITS
    assert copy_pairs(own).tolist() == []


@pytest.mark.parametrize("size", [33, 48, 224])
def test_the_image_size_of_the_cache_hardly_matters(size: int) -> None:
    assert bits_apart(hashes_of(PHOTOS), hashes_of(PHOTOS, size)).max() <= MAX_BITS


def test_the_transform_agrees_with_scipy() -> None:
    from scipy.fft import dctn

    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    frequencies = dctn(pixels[0] @ np.array([0.299, 0.587, 0.114]))[1:9, 1:9].ravel()
    expected = np.packbits(frequencies > np.median(frequencies)).view(np.uint64)
    assert hash_images(pixels) == expected


def test_nearest_copies_and_pairs_agree_with_a_check_of_each_pair() -> None:
    rng = np.random.default_rng(1)
    some = rng.integers(0, 2**63, 6, dtype=np.uint64)
    flips = np.array([0, 1, 3, 0b1111, 0b11111], dtype=np.uint64)
    hashes = (some[:, None] ^ flips).ravel()
    bits = bits_apart(hashes[:, None], hashes)
    expected = np.argwhere(np.triu(bits <= MAX_BITS, k=1))
    assert copy_pairs(hashes).tolist() == expected.tolist()
    assert nearest_copies(hashes, some).tolist() == [
        row // 5 if row % 5 < 4 else -1 for row in range(30)
    ]


def test_empty_inputs_have_no_copies() -> None:
    nothing = np.array([], dtype=np.uint64)
    assert nearest_copies(np.zeros(3, dtype=np.uint64), nothing).tolist() == [-1, -1, -1]
    assert copy_pairs(nothing).shape == (0, 2)
    assert len(hash_images(np.zeros((0, 64, 64, 3), dtype=np.uint8))) == 0


@pytest.mark.photos
def test_no_two_places_of_the_real_photos_are_mistaken_for_copies(photos: Path) -> None:
    manifest = (photos / "streetview" / "manifest.csv").read_text().splitlines()[1:]
    chosen = [line.split(",")[0] for line in manifest[::8]]
    found = hashes_of([(photos / "streetview" / name).read_bytes() for name in chosen])
    assert copy_pairs(found).tolist() == []
