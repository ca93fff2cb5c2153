"""Fast decoding gives the same pixels as full decoding."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euguess.images.preprocessing import PIXELS_VERSION, decode_photo
from tests.support.stored_datasets import photo


def full_decode(data: bytes, size: int) -> np.ndarray:
    """Decode all pixels, which is slow, then apply the same crop and filter."""
    with Image.open(io.BytesIO(data)) as opened:
        image = opened.convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) / 2, (image.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR, box=box))


@pytest.mark.parametrize("side", [64, 100, 320, 640])
@pytest.mark.parametrize("size", [16, 64, 128])
def test_fast_decoding_differs_from_full_decoding_by_less_than_a_level(
    side: int, size: int
) -> None:
    data = photo(side, side)
    difference = np.abs(decode_photo(data, size).astype(int) - full_decode(data, size))
    assert difference.mean() <= 1


@pytest.mark.photos
def test_fast_decoding_of_real_photos_differs_by_less_than_a_level(photos: Path) -> None:
    for path in sorted((photos / "jpeg640").glob("*.jpg"))[:20]:
        data = path.read_bytes()
        difference = np.abs(decode_photo(data, 64).astype(int) - full_decode(data, 64))
        assert difference.mean() <= 1


def test_a_change_of_the_pixels_requires_a_new_preprocessing_version() -> None:
    """If this fails because decode_photo changed on purpose, increment PIXELS_VERSION."""
    ramp = (np.arange(96 * 64 * 3).reshape(64, 96, 3) * 7 % 256).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(ramp).save(buffer, "PNG")
    pixels = decode_photo(buffer.getvalue(), 16)
    assert (PIXELS_VERSION, hashlib.sha256(pixels.tobytes()).hexdigest()[:16]) == (
        2,
        "3630503e5eba0236",
    )
