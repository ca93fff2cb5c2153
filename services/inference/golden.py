"""A fixed photo for testing that a model works."""

import io

import numpy as np
from PIL import Image

SIDE = 256


def golden_photo() -> bytes:
    """Draw a JPEG of sky, land and a road; the same at each call."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE]
    sky = np.stack([rows // 2 + 90, rows // 2 + 130, np.full_like(rows, 230)], axis=-1)
    land = np.stack([columns // 4 + 60, np.full_like(rows, 130), rows // 4 + 20], axis=-1)
    is_road = abs(columns - SIDE // 2) < (rows - SIDE // 2) // 2
    scene = np.where((rows < SIDE // 2)[..., None], sky, land)
    scene = np.where(is_road[..., None], 95, scene).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(scene).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
