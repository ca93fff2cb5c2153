"""Checks of downloaded images."""

import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from services.fetcher.checks import check_image
from services.fetcher.providers import BadImage
from tests.support.fetcher_fakes import photo
from tests.support.hostile_photos import UNWRITABLE_EXIF, many_scans, unwritable_exif


def placeholder(grey: tuple[int, int, int], size: int, quality: int) -> bytes:
    """Text on one colour, as the provider sends where it has no imagery."""
    picture = Image.new("RGB", (size, size), grey)
    pen = ImageDraw.Draw(picture)
    pen.text((size / 2, size / 2), "Sorry, we have no imagery here.", (117, 117, 117), anchor="mm")
    pen.text((size * 0.8, size * 0.95), "© 2026 Google", (117, 117, 117))
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def snow(size: int) -> bytes:
    """An almost white scene with the texture of a photo."""
    noise = np.random.default_rng(0).normal(235, 8, (size, size, 1))
    pixels = np.repeat(noise.clip(0, 255), 3, axis=2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


@pytest.mark.parametrize("size", [16, 64, 320, 640])
def test_photos_pass(size: int) -> None:
    check_image(photo(size=size), size)


# 223/224 and 239/240 are limits of bins of 16 levels, which JPEG noise crosses.
@pytest.mark.parametrize(
    "grey", [(228, 227, 223), (227, 226, 222), (240, 240, 240), (224, 224, 224), (20, 20, 20)]
)
@pytest.mark.parametrize(("size", "quality"), [(640, 85), (600, 60), (320, 85)])
def test_placeholders_are_detected_in_any_shade_and_size(
    grey: tuple[int, int, int], size: int, quality: int
) -> None:
    with pytest.raises(BadImage, match="placeholder"):
        check_image(placeholder(grey, size, quality), size)


def test_snow_is_not_a_placeholder() -> None:
    check_image(snow(640), 640)


def png(size: int) -> bytes:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo(size=size))).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"<html>Sign in</html>", "Unknown image format"),
        (photo(size=64)[: len(photo(size=64)) // 2], "damaged"),
        (photo(size=64)[:-200], "damaged"),
        (photo(size=32), "32 x 32 instead of 64 x 64"),
        (png(64), "only JPEG"),
        (photo(size=96), "96 x 96 pixels"),
        (many_scans(1000), "1000 progressive scans"),
        (photo(size=64) + bytes(100_000), "bytes; at most"),
    ],
)
def test_invalid_images_are_refused_with_a_reason(data: bytes, reason: str) -> None:
    with pytest.raises(BadImage, match=reason):
        check_image(data, 64)


@pytest.mark.parametrize("name", UNWRITABLE_EXIF)
def test_exif_that_pillow_cannot_write_is_no_reason_to_pay_again(name: str) -> None:
    check_image(unwritable_exif(name), 64)
