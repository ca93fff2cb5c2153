"""Valid and invalid photos to upload, drawn on demand."""

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from euguess.images.photo_limits import PHOTO
from tests.support.hostile_photos import many_scans

Draw = Callable[[], bytes]


def photo(seed: int = 0, side: int = 96, kind: str = "JPEG") -> bytes:
    """Draw a photo with random colours from the seed."""
    return _encode(Image.fromarray(_pixels(seed, side)), kind)


def _pixels(seed: int, side: int) -> NDArray[np.uint8]:
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC))


def _encode(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _huge_png() -> bytes:
    """Return a PNG with a header of 50,000 x 50,000 pixels but no pixel data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _animated() -> bytes:
    frames = [Image.fromarray(_pixels(seed, 32)) for seed in range(3)]
    return _encode(frames[0], "WEBP", save_all=True, append_images=frames[1:])


def _sixteen_bit() -> bytes:
    return _encode(Image.fromarray(np.full((32, 32), 40_000, np.uint16)), "PNG")


# name -> function that draws it, HTTP status, part of the reason
BAD_UPLOADS: dict[str, tuple[Draw, int, str]] = {
    "zero_bytes": (lambda: b"", 400, "empty"),
    "text": (lambda: b"no photo, but words", 400, "Unknown image format"),
    "gif": (lambda: photo(kind="GIF"), 400, "Unknown image format"),
    "truncated": (lambda: photo(side=256)[:1500], 400, "truncated"),
    "truncated_png": (lambda: photo(side=256, kind="PNG")[:-3000], 400, "truncated"),
    "one_pixel": (lambda: photo(side=1, kind="PNG"), 400, "1 x 1 pixels"),
    "50000x50000": (_huge_png, 413, "pixels"),
    "cmyk": (lambda: _encode(Image.new("CMYK", (32, 32)), "JPEG"), 400, "CMYK"),
    "16_bit": (_sixteen_bit, 400, "16 or more bits"),
    "animated": (_animated, 400, "animated"),
    "many_scans": (lambda: many_scans(1000), 413, "1000 progressive scans"),
    "too_many_bytes": (lambda: b"\xff\xd8" + bytes(PHOTO.max_bytes), 413, "bytes"),
}
