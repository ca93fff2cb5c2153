"""Heat maps over photos."""

import base64
import io

import numpy as np
from PIL import Image

from euguess.images.overlays import SIDE, overlay
from euguess.images.preprocessing import decode_photo


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def test_only_bright_parts_of_the_heat_map_are_coloured() -> None:
    grey = np.full((100, 300, 3), 90, np.uint8)
    heat = np.zeros((32, 32), np.uint8)
    heat[:8, :8] = 255
    picture = overlay(decode_photo(_png(grey), SIDE), base64.b64encode(_png(heat)).decode())
    assert picture.size == (SIDE, SIDE)
    red, _, blue = np.asarray(picture)[20, 20]
    assert red > 150 > 90 > blue
    assert tuple(np.asarray(picture)[-20, -20]) == (90, 90, 90)
