"""Check that a provider's panorama is usable, and that an image is the requested photo."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from euguess.geography.boundaries import Boundaries
from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.images.photo_headers import InvalidImage
from euguess.images.photo_limits import check_photo, view_limits
from euguess.images.preprocessing import load_photo
from services.fetcher.providers import BadImage, Panorama

# Decoding at 1/8 scale still reads all data, so it detects a truncated file, and takes half
# the time: 1.5 ms instead of 2.8 ms at 640 x 640.
THUMBNAIL_PX = 32
PLACEHOLDER_SHARE = 0.85  # of pixels with one colour; Google's placeholder has 0.97
PLACEHOLDER_BYTES_PER_PIXEL = 0.05  # the placeholder has 0.03, photos 0.12 to 0.27
HEADER_BYTES = 1000  # most of a small image file
SAME_COLOUR_LEVELS = 6  # of 255: JPEG noise around a flat colour


class Rejection(StrEnum):
    """Reasons to reject a candidate; counted in SlotOutcome.rejections."""

    NO_IMAGERY = "no_imagery"
    BAD_METADATA = "bad_metadata"
    NULL_ISLAND = "null_island"
    LAT_EQUALS_LON = "lat_equals_lon"
    USER_PHOTO = "user_photo"
    TOO_FAR = "too_far"
    OTHER_COUNTRY = "other_country"
    NEAR_BORDER = "near_border"
    DUPLICATE = "duplicate"
    BAD_IMAGERY = "bad_imagery"


@dataclass(frozen=True, slots=True)
class Requirements:
    """Conditions that a panorama must meet."""

    country_code: str
    max_distance_m: int  # checked here: providers treat their radius as a hint
    border_buffer_km: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Distances of an accepted panorama to its candidate and to the border."""

    distance_m: float
    border_km: float


def check_panorama(
    panorama: Panorama, candidate: Coordinate, requirements: Requirements, boundaries: Boundaries
) -> Placement | Rejection:
    """Return the placement of a usable panorama, or the reason to reject it.

    The panorama's country is that of its own coordinate, never that of the candidate.
    """
    position = panorama.coordinate
    if position.is_null_island:
        return Rejection.NULL_ISLAND
    if position.lat == position.lon:
        return Rejection.LAT_EQUALS_LON
    if not panorama.is_official:
        return Rejection.USER_PHOTO
    distance_m = 1000 * great_circle_km(candidate, position)
    if distance_m > requirements.max_distance_m:
        return Rejection.TOO_FAR
    if boundaries.locate(position) != requirements.country_code:
        return Rejection.OTHER_COUNTRY
    border_km = boundaries.border_km(position, requirements.country_code)
    if border_km < requirements.border_buffer_km:
        return Rejection.NEAR_BORDER
    return Placement(distance_m, border_km)


def check_image(data: bytes, size: int) -> None:
    """Raise BadImage unless this is a complete JPEG of the requested size, not a placeholder.

    The limits of a view bound the costs: call it in a thread, and it needs at most a fraction of a
    second and some megabytes.
    """
    try:
        header = check_photo(data, view_limits(size))
        if header.size != (size, size):
            raise BadImage(f"{header.width} x {header.height} instead of {size} x {size}")
        pixels = np.asarray(load_photo(header, side=THUMBNAIL_PX))
    except InvalidImage as error:
        raise BadImage(str(error)) from None
    is_small = len(data) - HEADER_BYTES < PLACEHOLDER_BYTES_PER_PIXEL * size * size
    if is_small and _flat_share(pixels) > PLACEHOLDER_SHARE:
        raise BadImage("the provider's placeholder for missing imagery")


def _flat_share(pixels: NDArray[np.uint8]) -> float:
    """Share of pixels near the median colour, which is the colour of any majority.

    Fixed colour bins would split a flat grey whose noise crosses a bin limit.
    """
    colours = pixels.reshape(-1, 3).astype(np.int16)
    is_near = np.abs(colours - np.median(colours, axis=0)) <= SAME_COLOUR_LEVELS
    return float(np.all(is_near, axis=1).mean())
