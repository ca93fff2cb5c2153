"""Photos as phones write them: with time, position and orientation in their Exif data."""

import io
from datetime import datetime

import numpy as np
import pillow_heif
from PIL import ExifTags, Image

CAMERA = "Phone 1"


def phone_photo(
    seed: int,
    *,
    taken_at: datetime | None = None,
    at: tuple[float, float] | None = None,
    camera: str = CAMERA,
    orientation: int = 1,
    kind: str = "JPEG",
    size: tuple[int, int] = (64, 64),
) -> bytes:
    """Return a photo whose picture differs by seed; the same seed gives nearly the same look."""
    image, buffer = scene(seed, size), io.BytesIO()
    exif = _exif(taken_at, at, camera, orientation)
    if kind == "HEIF":
        photo = pillow_heif.from_pillow(image)
        photo.info["exif"] = exif.tobytes()  # its orientation is written as HEIC stores it
        photo.save(buffer, quality=90, enc_params={"preset": "ultrafast"})
        return buffer.getvalue()
    frames = {"save_all": True, "append_images": [image.resize((32, 32))]} if kind == "MPO" else {}
    image.save(buffer, kind, exif=exif, quality=90, **frames)
    return buffer.getvalue()


def scene(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """Return a smooth random picture."""
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC)


def _exif(
    taken_at: datetime | None, at: tuple[float, float] | None, camera: str, orientation: int
) -> Image.Exif:
    tags = Image.Exif()
    tags[ExifTags.Base.Model] = camera
    tags[ExifTags.Base.Orientation] = orientation
    if taken_at is not None:
        taken = f"{taken_at:%Y:%m:%d %H:%M:%S}"
        tags.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = taken
    if at is not None:
        tags.get_ifd(ExifTags.IFD.GPSInfo).update(_position(*at))
    return tags


def _position(lat: float, lon: float) -> dict[int, object]:
    tags = ExifTags.GPS
    return {
        tags.GPSLatitudeRef: "N" if lat >= 0 else "S",
        tags.GPSLatitude: _parts(abs(lat)),
        tags.GPSLongitudeRef: "E" if lon >= 0 else "W",
        tags.GPSLongitude: _parts(abs(lon)),
    }


def _parts(degrees: float) -> tuple[float, float, float]:
    minutes = 60 * (degrees % 1)
    return float(int(degrees)), float(int(minutes)), round(60 * (minutes % 1), 4)
