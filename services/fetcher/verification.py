"""Whether downloaded bytes are the photo that was asked for."""

import numpy as np
from numpy.typing import NDArray

from euguess.images.preprocessing import InvalidImage, load_photo, open_photo
from services.fetcher.providers import BadImage

# Decoding at 1/8 scale still reads all data, so that a truncated file is found, and takes half
# the time: 1.5 ms instead of 2.8 ms at 640 x 640.
THUMBNAIL_PX = 32
PLACEHOLDER_SHARE = 0.85  # of pixels with one colour; Google's placeholder has 0.97
PLACEHOLDER_BYTES_PER_PIXEL = 0.05  # the placeholder has 0.03, photos 0.12 to 0.27
HEADER_BYTES = 1000  # which small pictures mostly consist of
SAME_COLOUR_LEVELS = 6  # of 255: the noise of JPEG around a flat colour


def verify_view(data: bytes, size: int) -> None:
    """Raises BadImage: no whole JPEG, another size, or the "no imagery" placeholder."""
    try:
        header = open_photo(data)
        is_jpeg, wanted = header.format == "JPEG", (size, size)
        if not is_jpeg or header.size != wanted:
            kind = "" if is_jpeg else f" {header.format}"
            raise BadImage(f"{header.width} x {header.height}{kind} instead of {size} x {size}")
        pixels = np.asarray(load_photo(data, side=THUMBNAIL_PX))
    except InvalidImage as error:
        raise BadImage(str(error)) from None
    is_small = len(data) - HEADER_BYTES < PLACEHOLDER_BYTES_PER_PIXEL * size * size
    if is_small and flat_share(pixels) > PLACEHOLDER_SHARE:
        raise BadImage("the provider's placeholder for missing imagery")


def flat_share(pixels: NDArray[np.uint8]) -> float:
    """Share of pixels near the median colour, which is that of any majority.

    Fixed steps of colour would split a flat grey whose noise lies across one of their limits.
    """
    colours = pixels.reshape(-1, 3).astype(np.int16)
    is_near = np.abs(colours - np.median(colours, axis=0)) <= SAME_COLOUR_LEVELS
    return float(np.all(is_near, axis=1).mean())
