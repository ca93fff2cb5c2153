"""Read the size of a HEIC photo from the boxes of its file (ISO/IEC 23008-12), without decoding.

This file is part of each model archive, so it needs only the standard library.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_ANY_CODING, _OTHER_CODINGS = (b"mif1", b"msf1"), (b"avif", b"avis")
_EXIF_MARKS = (b"Exif\0\0II*\0", b"Exif\0\0MM\0*")
_MARK_BYTES = 6  # of Exif data, before the byte order
_EXIF_BYTES = 65_536
_QUARTER_TURNS = 0x03

Box = tuple[bytes, int, int]  # type, and where its content begins and ends


class TooManyBoxes(ValueError):
    """The file has more boxes than allowed."""


@dataclass(frozen=True, slots=True)
class HeifFacts:
    """Size in pixels as decoded, which is upright, and the Exif data."""

    width: int
    height: int
    is_sequence: bool
    exif: bytes


@dataclass
class _Primary:
    """The properties of the main picture among those of all pictures of a file."""

    item: int | None = None
    properties: list[Box] = field(default_factory=list)
    indices: dict[int, list[int]] = field(default_factory=dict)  # from 1, by item


def is_heif(data: bytes) -> bool:
    """Return True for the photos that phones call HEIC or HEIF."""
    if data[4:8] != b"ftyp":
        return False
    end = min(len(data), int.from_bytes(data[:4]), 1024)
    brands = [data[8:12], *(data[at : at + 4] for at in range(16, end, 4))]
    if any(brand in _BRANDS for brand in brands):
        return True
    is_other = any(brand in _OTHER_CODINGS for brand in brands)
    return brands[0] in _ANY_CODING and not is_other


def read_heif(data: bytes, max_boxes: int) -> HeifFacts | None:
    """Return the facts of the main picture, None for a damaged file.

    Raises TooManyBoxes, and struct.error for a file that ends too early.
    """
    reader, primary, is_sequence = _Reader(data, max_boxes), _Primary(), False
    for kind, start, end in reader.boxes(0, len(data)):
        is_sequence |= kind == b"moov"
        if kind == b"meta":
            _read_meta(reader, primary, start + 4, end)
    size = _size(data, primary)
    return size and HeifFacts(*size, is_sequence, _exif(data))


@dataclass
class _Reader:
    data: bytes
    boxes_left: int

    def boxes(self, start: int, end: int) -> Iterator[Box]:
        while start + 8 <= end:
            self.boxes_left -= 1
            if self.boxes_left < 0:
                raise TooManyBoxes
            length, kind = struct.unpack_from(">I4s", self.data, start)
            head = 8
            if length == 1:
                (length,) = struct.unpack_from(">Q", self.data, start + 8)
                head = 16
            last = start + length if length else end
            if (length and length < head) or last > end:
                raise struct.error
            yield kind, start + head, last
            start = last


def _read_meta(reader: _Reader, primary: _Primary, start: int, end: int) -> None:
    for kind, body, last in reader.boxes(start, end):
        if kind == b"pitm":
            layout = ">I" if reader.data[body] else ">H"
            (primary.item,) = struct.unpack_from(layout, reader.data, body + 4)
        elif kind == b"iprp":
            for part, inner, inner_end in reader.boxes(body, last):
                if part == b"ipco":
                    primary.properties = list(reader.boxes(inner, inner_end))
                elif part == b"ipma":
                    _read_associations(reader.data, primary, inner)


def _read_associations(data: bytes, primary: _Primary, at: int) -> None:
    version_and_flags, count = struct.unpack_from(">II", data, at)
    has_long_ids, has_long_indices = version_and_flags >> 24, version_and_flags & 1
    item_layout = struct.Struct(">IB" if has_long_ids else ">HB")
    width, mask = (2, 0x7FFF) if has_long_indices else (1, 0x7F)  # the highest bit: essential
    at += 8
    for _ in range(count):
        item, entries = item_layout.unpack_from(data, at)
        at += item_layout.size
        found = primary.indices.setdefault(item, [])
        for _ in range(entries):
            if at + width > len(data):
                raise struct.error
            found.append(int.from_bytes(data[at : at + width]) & mask)
            at += width


def _size(data: bytes, primary: _Primary) -> tuple[int, int] | None:
    size, is_turned = None, False
    for index in primary.indices.get(primary.item or 0, ()):
        if not 1 <= index <= len(primary.properties):
            continue
        kind, start, _ = primary.properties[index - 1]
        if kind == b"ispe":
            size = struct.unpack_from(">II", data, start + 4)
        elif kind == b"irot":
            is_turned ^= bool(data[start] & _QUARTER_TURNS & 1)
    if size is None:
        return None
    return (size[1], size[0]) if is_turned else (size[0], size[1])


def _exif(data: bytes) -> bytes:
    for mark in _EXIF_MARKS:
        at = data.find(mark)
        if at >= 0:
            return data[at + _MARK_BYTES : at + _MARK_BYTES + _EXIF_BYTES]
    return b""
