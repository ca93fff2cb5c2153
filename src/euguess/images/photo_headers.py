"""Read the headers of JPEG, PNG, WebP and HEIC files, without decoding any pixels.

This file is part of each model archive, so it needs only the standard library.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING or __package__:
    from euguess.images.heif_boxes import TooManyBoxes, is_heif, read_heif
else:  # in an archive, whose files are all in one folder
    from heif_boxes import TooManyBoxes, is_heif, read_heif

UPRIGHT = 1  # Exif orientation
SIDEWAYS = (5, 6, 7, 8)  # Exif orientations that swap width and height

_ORIENTATION_TAG, _SHORT = 0x0112, 3
_EXIF = b"Exif\0\0"
_PNG = b"\x89PNG\r\n\x1a\n"
# Junk between segments is skipped, as libjpeg does.
_MARKER = re.compile(rb"\xff([^\x00\xff])")
# Stuffed zeros and restart markers belong to the data of a scan.
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_START_OF_SCAN, _END_OF_IMAGE = 0xDA, 0xD9
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive; all others are rare
_RARE_FRAMES = (0xC3, *range(0xC5, 0xC8), *range(0xC9, 0xCC), *range(0xCD, 0xD0))
_BARE_MARKERS = (0x01, *range(0xD0, 0xD9))  # without a length
_NEEDED_SEGMENTS = (*_FRAMES, 0xC4, _START_OF_SCAN, 0xDB, 0xDD, 0xE0, 0xEE)  # E0, EE: colours
_NEEDED_CHUNKS = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ANIMATION_FLAG = 0x02


class InvalidImage(ValueError):
    """The bytes are not a usable photo. The message gives the reason and is safe to display."""


class ImageTooLarge(InvalidImage):
    """The photo has too many bytes or pixels, or takes too long or too much memory to decode."""


@dataclass(frozen=True, slots=True)
class PhotoHeader:
    """The facts of a photo that its file states before any pixel, and the bytes to decode.

    encoded leaves out metadata, whose parsing in the decoder costs time and memory.
    """

    format: str
    width: int
    height: int
    encoded: bytes
    scans: int = 1
    is_animated: bool = False
    orientation: int = UPRIGHT
    exif: bytes = b""  # as stored, unchecked, without its mark

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored, in pixels."""
        return self.width, self.height

    @property
    def upright_size(self) -> tuple[int, int]:
        """Width and height as shown, in pixels."""
        return self.size[::-1] if self.orientation in SIDEWAYS else self.size


def read_header(data: bytes, max_segments: int) -> PhotoHeader:
    """Read the header of a JPEG, PNG, WebP or HEIC file in time linear to its bytes.

    Raises InvalidImage, and ImageTooLarge for more than max_segments segments.
    """
    try:
        return _reader(data)(data, max_segments)
    except struct.error:
        raise _damaged() from None


def _reader(data: bytes) -> Callable[[bytes, int], PhotoHeader]:
    if data.startswith(b"\xff\xd8\xff"):
        return _read_jpeg
    if data.startswith(_PNG):
        return _read_png
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return _read_webp
    if is_heif(data):
        return _read_heif
    raise InvalidImage("Unknown image format; send JPEG, PNG, WEBP or HEIC.")


def _read_jpeg(data: bytes, max_segments: int) -> PhotoHeader:
    """Walk the segments up to the end of the image: what follows is another file."""
    size, scans, exif = None, 0, b""
    needed, position = [data[:2]], 2
    for _ in range(max_segments):
        found = _MARKER.search(data, position)
        if found is None:  # truncated; the decoder decides whether enough is left
            break
        marker, position = found[1][0], found.end()
        if marker == _END_OF_IMAGE:
            needed.append(found[0])
            break
        if marker in _BARE_MARKERS:
            continue
        end = position + _unsigned(data, ">H", position)
        if marker in _FRAMES:
            size = _only(size, struct.unpack_from(">HH", data, position + 3))
        elif marker == _START_OF_SCAN:
            scans += 1
            end = _end_of_scan(data, end)
        elif marker == 0xE1 and not exif and data.startswith(_EXIF, position + 2):
            exif = data[position + 2 + len(_EXIF) : end]
        _check_marker(marker)
        if marker in _NEEDED_SEGMENTS:
            needed.append(data[found.start() : end])
        position = end
    else:
        raise _too_many(max_segments)
    if size is None or not scans:
        raise _damaged()
    height, width = size
    return PhotoHeader(
        "JPEG", width, height, b"".join(needed), scans, False, _orientation(exif), exif
    )


def _check_marker(marker: int) -> None:
    """Raise InvalidImage for markers that the decoder refuses, or treats in a way of its own."""
    if marker in _RARE_FRAMES:
        raise InvalidImage("The image has a rare JPEG coding; save it as baseline or progressive.")
    if marker < 0xC0 or marker == 0xC8 or (marker >= 0xF0 and marker != 0xFE):
        raise _damaged()


def _end_of_scan(data: bytes, start: int) -> int:
    found = _END_OF_SCAN.search(data, start)
    return len(data) if found is None else found.start()


def _read_png(data: bytes, max_segments: int) -> PhotoHeader:
    size, exif, is_animated = None, b"", False
    needed, position = [_PNG], len(_PNG)
    for _ in range(max_segments):
        if position >= len(data):
            break
        length, kind = struct.unpack_from(">I4s", data, position)
        body, end = position + 8, position + 12 + length
        if kind == b"IHDR":
            size = _only(size, struct.unpack_from(">II", data, body))
        elif kind == b"acTL":
            is_animated = True
        elif kind == b"eXIf":
            exif = data[body : body + length]
        if kind in _NEEDED_CHUNKS:
            needed.append(data[position:end])
        position = len(data) if kind == b"IEND" else end
    else:
        raise _too_many(max_segments)
    if size is None:
        raise _damaged()
    return PhotoHeader("PNG", *size, b"".join(needed), 1, is_animated, _orientation(exif), exif)


def _read_webp(data: bytes, max_segments: int) -> PhotoHeader:
    """Walk the chunks; the largest size counts, whichever of them the decoder reads."""
    width, height, exif, is_animated = 0, 0, b"", False
    position = 12
    for _ in range(max_segments):
        if position + 8 > len(data):
            break
        kind, length = struct.unpack_from("<4sI", data, position)
        body = position + 8
        if kind in _WEBP_SIZES:
            size = _WEBP_SIZES[kind](data, body)
            width, height = max(width, size[0]), max(height, size[1])
        if kind == b"VP8X":
            is_animated |= bool(data[body] & _ANIMATION_FLAG)
        elif kind == b"EXIF":
            exif = data[body : body + length].removeprefix(_EXIF)
        position = body + length + length % 2
    else:
        raise _too_many(max_segments)
    if not width:
        raise _damaged()
    return PhotoHeader("WEBP", width, height, data, 1, is_animated, _orientation(exif), exif)


def _read_heif(data: bytes, max_segments: int) -> PhotoHeader:
    """Read the main picture; a decoder turns it upright by itself."""
    try:
        facts = read_heif(data, max_segments)
    except TooManyBoxes:
        raise _too_many(max_segments) from None
    except IndexError:
        raise _damaged() from None
    if facts is None:
        raise _damaged()
    size = facts.width, facts.height
    return PhotoHeader("HEIF", *size, data, 1, facts.is_sequence, UPRIGHT, facts.exif)


def _lossy_size(data: bytes, body: int) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, body + 6)
    return width & 0x3FFF, height & 0x3FFF


def _lossless_size(data: bytes, body: int) -> tuple[int, int]:
    bits = _unsigned(data, "<I", body + 1)
    return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1


def _canvas_size(data: bytes, body: int) -> tuple[int, int]:
    low, middle, high = struct.unpack_from("<HHH", data, body + 4)
    return (low | (middle & 0xFF) << 16) + 1, (middle >> 8 | high << 8) + 1


_WEBP_SIZES = {b"VP8 ": _lossy_size, b"VP8L": _lossless_size, b"VP8X": _canvas_size}


def _orientation(exif: bytes) -> int:
    """Return the orientation of the first directory of Exif data, else that of no change."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2], "<")
    try:
        directory = _unsigned(exif, f"{order}I", 4)
        for index in range(_unsigned(exif, f"{order}H", directory)):
            entry = directory + 2 + 12 * index
            tag, kind, count, value = struct.unpack_from(f"{order}HHIH", exif, entry)
            if (tag, kind, count) == (_ORIENTATION_TAG, _SHORT, 1):
                return int(value) if 1 <= value <= 8 else UPRIGHT
    except struct.error:  # the data end before the directory does
        pass
    return UPRIGHT


def _unsigned(data: bytes, layout: str, offset: int) -> int:
    (value,) = struct.unpack_from(layout, data, offset)
    return int(value)


def _only(earlier: tuple[int, int] | None, size: tuple[int, ...]) -> tuple[int, int]:
    """Return the size of the only frame. Decoders would differ about a second one."""
    if earlier is not None:
        raise _damaged()
    return size[0], size[1]


def _damaged() -> InvalidImage:
    return InvalidImage("The image is damaged or truncated.")


def _too_many(max_segments: int) -> ImageTooLarge:
    return ImageTooLarge(
        f"The image file has more than {max_segments} segments; save it without metadata."
    )
