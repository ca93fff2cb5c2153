"""When, where and with which camera a photo was taken, by its Exif data."""

import struct
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import ExifTags, Image

from euguess.errors import InvalidCoordinate
from euguess.geography.locations import Coordinate

MAX_BYTES = 65_536  # a JPEG has no more
TIME_FORMAT = "%Y:%m:%d %H:%M:%S"
DAMAGE = (OSError, SyntaxError, ValueError, TypeError, LookupError, ArithmeticError, struct.error)


@dataclass(frozen=True, slots=True)
class Capture:
    """How a photo was taken; None or empty if it is unknown. The time is the camera's own."""

    taken_at: datetime | None = None
    coordinate: Coordinate | None = None
    camera: str = ""


def read_capture(exif: bytes) -> Capture:
    """Read Exif data of anyone; whatever is damaged counts as unknown."""
    if not exif:
        return Capture()
    tags = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of damaged entries
        try:
            tags.load(exif[:MAX_BYTES])
            taken, place = tags.get_ifd(ExifTags.IFD.Exif), tags.get_ifd(ExifTags.IFD.GPSInfo)
            camera = f"{tags.get(ExifTags.Base.Make, '')} {tags.get(ExifTags.Base.Model, '')}"
        except DAMAGE:
            return Capture()
    texts = (taken.get(ExifTags.Base.DateTimeOriginal), tags.get(ExifTags.Base.DateTime))
    times = (_time(text) for text in texts)
    return Capture(next((t for t in times if t is not None), None), _place(place), camera.strip())


def _time(text: Any) -> datetime | None:
    try:
        return datetime.strptime(str(text).strip("\0 "), TIME_FORMAT)  # noqa: DTZ007 - none is told
    except ValueError:
        return None


def _place(gps: dict[int, Any]) -> Coordinate | None:
    """Return the position, or None for a missing, impossible or empty (0, 0) one."""
    tags = ExifTags.GPS
    try:
        lat = _degrees(gps[tags.GPSLatitude], gps[tags.GPSLatitudeRef], "S")
        lon = _degrees(gps[tags.GPSLongitude], gps[tags.GPSLongitudeRef], "W")
        found = Coordinate(lat, lon)
    except (InvalidCoordinate, *DAMAGE):
        return None
    return None if found.is_null_island else found


def _degrees(parts: Any, reference: Any, negative: str) -> float:
    degrees, minutes, seconds = (float(part) for part in parts)
    sign = -1 if str(reference).strip("\0 ").upper() == negative else 1
    return sign * (degrees + minutes / 60 + seconds / 3600)
