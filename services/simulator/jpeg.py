"""JPEG encoding, 4:2:0."""

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def encode_picture(picture: Image.Image, *, quality: int) -> bytes:
    """Encode an RGB picture."""
    pixels = np.ascontiguousarray(np.asarray(picture))
    jpeg: bytes = simplejpeg.encode_jpeg(pixels, quality=quality, colorsubsampling="420")
    return jpeg


def encode_planes(luma: Pixels, blue: Pixels, red: Pixels, *, quality: int) -> bytes:
    """Encode brightness and two colour planes of half its size, rounded up."""
    jpeg: bytes = simplejpeg.encode_jpeg_yuv_planes(luma, blue, red, quality=quality, fastdct=True)
    return jpeg
