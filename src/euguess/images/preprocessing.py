"""Decoding of photos to pixels, shared by training and serving.

This file is copied into each model archive, so it may import only Pillow, NumPy and the modules
beside it that are copied too.
"""

import io
import struct
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

if TYPE_CHECKING or __package__:
    from euguess.images.photo_headers import InvalidImage, PhotoHeader
    from euguess.images.photo_limits import check_photo
else:  # in an archive, whose files are all in one folder
    from photo_headers import InvalidImage, PhotoHeader
    from photo_limits import check_photo

PIXELS_VERSION = (
    2  # bump when decode_photo returns different pixels; caches of other versions are stale
)
DECODE_MARGIN = 2  # DCT-scaled decoding stays at least this many times larger than the result
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # by Exif orientation
# Pillow's parsers raise any of these for bytes that are no image.
DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    LookupError,
    ArithmeticError,
    struct.error,
)


def load_photo(photo: bytes | PhotoHeader, *, side: int) -> Image.Image:
    """Decode a photo to upright RGB; a JPEG at a reduced scale, but not below 2 x side.

    A header has passed its own limits; bytes are checked against those of photos. Raises
    InvalidImage, also for truncated data.
    """
    header = photo if isinstance(photo, PhotoHeader) else check_photo(photo)
    try:
        image = _open_heif(header) if header.format == "HEIF" else _open(header)
        image.draft("RGB", (DECODE_MARGIN * side, DECODE_MARGIN * side))
        image.load()
        return _upright(image, header.orientation)
    except InvalidImage:
        raise
    except DAMAGE as error:
        raise InvalidImage("The image is damaged or truncated.") from error


def decode_photo(data: bytes, size: int) -> NDArray[np.uint8]:
    """Decode a photo to size x size x 3 uint8: central square, antialiased bilinear resize.

    Decoding a JPEG at 1/2, 1/4 or 1/8 scale and resizing the rest is 2.8 times cheaper at
    640 -> 64 pixels than full decoding, at a mean difference of 0.4 of 255.
    """
    photo = load_photo(data, side=size)
    side = min(photo.size)
    left, top = (photo.width - side) / 2, (photo.height - side) / 2
    box = (left, top, left + side, top + side)
    return np.asarray(photo.resize((size, size), Image.Resampling.BILINEAR, box=box))


def decode_thumbnail(data: bytes, side: int) -> NDArray[np.uint8]:
    """Decode a photo to H x W x 3 uint8 of at most side x side pixels. Raises InvalidImage."""
    photo = load_photo(data, side=side)
    photo.thumbnail((side, side))
    return np.asarray(photo)


def _open(header: PhotoHeader) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(header.encoded), formats=[header.format])
    except UnidentifiedImageError:
        raise InvalidImage("The image is damaged or truncated.") from None
    if image.size != header.size:
        raise InvalidImage("The image is damaged or truncated.")
    if image.mode == "CMYK":
        raise InvalidImage("The image uses CMYK colours; convert it to RGB.")
    if image.mode.startswith(("I", "F")):
        raise InvalidImage("The image has 16 or more bits per channel; convert it to 8 bits.")
    return image


def _open_heif(header: PhotoHeader) -> Image.Image:
    """Decode a HEIC photo whole, which libheif turns upright. Needs the extra `heic`."""
    import pillow_heif  # only where it is installed

    pillow_heif.options.DECODE_THREADS = 1  # the process may use one core, and little memory
    try:
        photo = pillow_heif.open_heif(io.BytesIO(header.encoded))
        if photo.size[0] * photo.size[1] > header.width * header.height:
            raise InvalidImage("The image is damaged or truncated.")
        return photo.to_pillow()
    except RuntimeError as error:
        raise InvalidImage("The image is damaged or truncated.") from error


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    if orientation in TURNS:
        image = image.transpose(TURNS[orientation])
    return image if image.mode == "RGB" else image.convert("RGB")
