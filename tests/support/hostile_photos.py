"""Small photos that cost much to decode, or that break parsers of metadata."""

import io
import struct

import numpy as np
from PIL import Image


def picture(width: int, height: int) -> Image.Image:
    """Draw a smooth picture, different in each corner."""
    corners = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BILINEAR)


def encoded(image: Image.Image, kind: str = "JPEG", **options: object) -> bytes:
    """Encode a picture."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def many_scans(scans: int, side: int = 64) -> bytes:
    """Return a progressive JPEG whose last scan is repeated until it has this many."""
    data = encoded(picture(side, side), progressive=True)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * (scans - data.count(b"\xff\xda")) + data[-2:]


def resized_header(data: bytes, width: int, height: int) -> bytes:
    """Claim another size in the header of a JPEG."""
    frame = next(at for code in (b"\xff\xc0", b"\xff\xc2") if (at := data.find(code)) > 0)
    return data[: frame + 5] + struct.pack(">HH", height, width) + data[frame + 9 :]


def segment(marker: int, body: bytes) -> bytes:
    """Build a JPEG segment."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def inserted(data: bytes, extra: bytes, at: int = 2) -> bytes:
    """Insert bytes, by default after the first marker of a JPEG."""
    return data[:at] + extra + data[at:]


def exif(orientation: int, *entries: tuple[int, int, int, bytes]) -> bytes:
    """Build Exif data with an orientation and further entries (tag, type, count, value)."""
    first = (0x0112, 3, 1, struct.pack("<H", orientation))
    fields = [struct.pack("<HHI4s", *entry) for entry in (first, *entries)]
    head = b"Exif\0\0II*\0" + struct.pack("<IH", 8, len(fields))
    return head + b"".join(fields) + bytes(4)


# Pillow's exif_transpose raises these for them when it writes the Exif data again.
UNWRITABLE_EXIF = {
    "TypeError": exif(6, (0x0100, 2, 4, b"abc\0")),
    "struct.error": exif(6, (0x0100, 9, 1, struct.pack("<i", -1))),
}


def unwritable_exif(name: str, side: int = 64) -> bytes:
    """Return a JPEG with Exif data that Pillow can read but not write."""
    return encoded(picture(side, side), exif=UNWRITABLE_EXIF[name])
