"""The photos that are accepted: formats, bytes, pixels and scans, checked before decoding.

This file is part of each model archive, so it needs only the standard library.
"""

import importlib.util
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from euguess.images.photo_headers import (
        ImageTooLarge,
        InvalidImage,
        PhotoHeader,
        read_header,
    )
else:  # in an archive, whose files are all in one folder
    from photo_headers import ImageTooLarge, InvalidImage, PhotoHeader, read_header

FORMATS = ("JPEG", "PNG", "WEBP", "HEIF")
HEIF_DECODER = "pillow_heif"
MIN_SIDE = 16  # pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class PhotoLimits:
    """What one photo may cost. Measured costs: docs/reference/photo-limits.md."""

    formats: tuple[str, ...] = FORMATS
    max_bytes: int = 20_000_000
    # Phone cameras reach 50 megapixels (8192 x 6144) in a JPEG of one scan, which is decoded at a
    # reduced scale, row by row.
    max_pixels: int = 51_000_000
    # All coefficients of a JPEG of several scans are held in memory; 24-megapixel cameras fit.
    max_pixels_of_scans: int = 25_000_000
    # PNG and WebP are decoded whole; 12-megapixel cameras and all screens fit.
    max_pixels_decoded_whole: int = 16_000_000
    # The tiles of a HEIC photo are decoded one after the other; 48-megapixel phones fit.
    max_pixels_of_heif: int = 51_000_000
    max_scans: int = 32  # encoders write 6 to 18; each costs a pass over all pixels
    max_segments: int = 10_000  # a 20 MB PNG in blocks of 8 kB has 2,400


PHOTO = PhotoLimits()


class FormatUnavailable(InvalidImage):
    """Photos of this format need a package that is not installed here."""


def view_limits(side: int) -> PhotoLimits:
    """Return the limits of a provider's view, a JPEG of a known size in pixels.

    Eight bytes per pixel and 64 kB of metadata are five times what the worst noise takes.
    """
    return PhotoLimits(
        formats=("JPEG",), max_bytes=65_536 + 8 * side * side, max_pixels=side * side
    )


def check_photo(data: bytes, limits: PhotoLimits = PHOTO) -> PhotoHeader:
    """Return the header of a photo within the limits.

    Raises InvalidImage, and ImageTooLarge for a photo that would cost too much to decode.
    """
    if not data:
        raise InvalidImage("The image is empty (0 bytes).")
    check_bytes(len(data), limits)
    header = read_header(data, limits.max_segments)
    if header.format not in limits.formats:
        raise InvalidImage(
            f"The image is {header.format}; only {', '.join(limits.formats)} is accepted."
        )
    _check_size(header, limits)
    _check_frames(header, limits)
    if header.format == "HEIF" and importlib.util.find_spec(HEIF_DECODER) is None:
        raise FormatUnavailable(
            "HEIC photos need an extra package here: pip install 'euguess[heic]'. Or save the "
            "photo as JPEG."
        )
    return header


def check_bytes(count: int, limits: PhotoLimits = PHOTO) -> None:
    """Raise ImageTooLarge for more bytes than a photo may have."""
    if count > limits.max_bytes:
        raise ImageTooLarge(
            f"The image has {count} bytes; at most {limits.max_bytes} are accepted."
        )


def _check_size(header: PhotoHeader, limits: PhotoLimits) -> None:
    pixels, most = header.width * header.height, _max_pixels(header, limits)
    if pixels > most:
        raise ImageTooLarge(
            f"The image has {header.width} x {header.height} pixels; at most {most} in all are "
            f"accepted for {_kind(header)}."
        )
    if min(header.size) < MIN_SIDE:
        raise InvalidImage(
            f"The image has {header.width} x {header.height} pixels; each side needs at least "
            f"{MIN_SIDE}."
        )


def _max_pixels(header: PhotoHeader, limits: PhotoLimits) -> int:
    if header.format == "HEIF":
        return min(limits.max_pixels, limits.max_pixels_of_heif)
    if header.format != "JPEG":
        return min(limits.max_pixels, limits.max_pixels_decoded_whole)
    if header.scans > 1:
        return min(limits.max_pixels, limits.max_pixels_of_scans)
    return limits.max_pixels


def _kind(header: PhotoHeader) -> str:
    return "progressive JPEG" if header.scans > 1 else header.format


def _check_frames(header: PhotoHeader, limits: PhotoLimits) -> None:
    if header.is_animated:
        raise InvalidImage("The image is animated; send a single frame.")
    if header.scans > limits.max_scans:
        raise ImageTooLarge(
            f"The image has {header.scans} progressive scans; at most {limits.max_scans} are "
            "accepted. Save it as a baseline JPEG."
        )
