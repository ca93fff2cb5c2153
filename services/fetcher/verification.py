"""Whether downloaded bytes are the photo that was asked for."""

import numpy as np

from euguess.preprocessing import InvalidImage, load_photo
from services.fetcher.providers import BadImage

PLACEHOLDER_SHARE = 0.85  # of pixels with one colour; Google's placeholder has 0.97
PLACEHOLDER_BYTES_PER_PIXEL = 0.05  # the placeholder has 0.03, photos 0.12 to 0.27
COLOUR_STEP = 16


def verify_view(data: bytes, size: int) -> None:
    """Decode fully. Raises BadImage: not a photo, another size, or the "no imagery" placeholder."""
    try:
        photo = load_photo(data)
    except InvalidImage as error:
        raise BadImage(str(error)) from None
    if photo.size != (size, size):
        raise BadImage(f"{photo.width} x {photo.height} pixels instead of {size} x {size}")
    if (
        len(data) < PLACEHOLDER_BYTES_PER_PIXEL * size * size
        and _largest_share(np.asarray(photo)) > PLACEHOLDER_SHARE
    ):
        raise BadImage("the provider's placeholder for missing imagery")


def _largest_share(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> float:
    """Share of the most frequent colour, in steps of 16 levels."""
    steps = (pixels // COLOUR_STEP).astype(np.int64)
    codes = (steps[..., 0] * 256 + steps[..., 1] * 16 + steps[..., 2]).ravel()
    return float(np.bincount(codes).max() / codes.size)
