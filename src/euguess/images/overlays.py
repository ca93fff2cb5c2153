"""Overlays of explanation heat maps on their photos."""

import base64
import io

from PIL import Image

from euguess.images.preprocessing import load_photo

SIDE = 512  # pixels
COLOUR = (255, 96, 0)
MAX_OPACITY = 0.65


def overlay(photo: bytes, heat_map: str) -> Image.Image:
    """Colour the central square of a photo (SIDE x SIDE RGB) where its heat map is bright.

    heat_map: ViewExplanation.heat_map. Raises InvalidImage for an invalid photo.
    """
    view = _central_square(load_photo(photo, side=SIDE))
    heat = Image.open(io.BytesIO(base64.b64decode(heat_map)), formats=["PNG"]).convert("L")
    mask = heat.resize(view.size, Image.Resampling.BILINEAR).point(lambda v: v * MAX_OPACITY)
    return Image.composite(Image.new("RGB", view.size, COLOUR), view, mask)


def _central_square(photo: Image.Image) -> Image.Image:
    side = min(photo.size)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    box = (left, top, left + side, top + side)
    return photo.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
