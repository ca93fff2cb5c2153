"""Overlays of explanation heat maps on their photos."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 512  # pixels
COLOUR = (255, 96, 0)
MAX_OPACITY = 0.65


def overlay(square: NDArray[np.uint8], heat_map: str) -> Image.Image:
    """Colour the central square of a photo where its heat map is bright.

    square: H x W x 3 pixels, from decode_photo. heat_map: ViewExplanation.heat_map.
    """
    view = Image.fromarray(square)
    heat = Image.open(io.BytesIO(base64.b64decode(heat_map)), formats=["PNG"]).convert("L")
    mask = heat.resize(view.size, Image.Resampling.BILINEAR).point(lambda v: v * MAX_OPACITY)
    return Image.composite(Image.new("RGB", view.size, COLOUR), view, mask)
