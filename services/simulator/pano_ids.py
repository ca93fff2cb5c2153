"""Panorama ids: 22 characters that decode to a cell, so that a lookup by id needs no table."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

OFFICIAL_LENGTH = 22  # 16 bytes in unpadded URL-safe base64, the form of the real API's ids
USER_PREFIX = "CIHM0ogKEICAgICE7uTSsg"  # 22 characters; user photospheres have longer ids


@dataclass(frozen=True, slots=True)
class Cell:
    """A square of the world's grid: row from the south pole, column from 180 degrees west."""

    row: int
    column: int


def encode_pano_id(cell: Cell, seed: int) -> str:
    """Id of the panorama in a cell: 12 bytes of keyed hash, then the cell masked by them."""
    place = struct.pack(">HH", cell.row, cell.column)
    tag = _tag(place, seed)
    return base64.urlsafe_b64encode(tag + _masked(place, tag)).decode().rstrip("=")


def decode_pano_id(pano_id: str, seed: int) -> Cell | None:
    """Cell of an official or user id; None for an id of no panorama of this seed."""
    official = pano_id.removeprefix(USER_PREFIX)
    try:
        raw = base64.b64decode(official + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(official) != OFFICIAL_LENGTH or len(raw) != 16:
        return None
    cell = Cell(*struct.unpack(">HH", _masked(raw[12:], raw[:12])))
    # Encoding again also refuses ids of another seed and unused bits in the last character.
    return cell if encode_pano_id(cell, seed) == official else None


def user_pano_id(pano_id: str) -> str:
    """The 44-character id under which a contributor's photosphere of that place is known."""
    return USER_PREFIX + pano_id


def _tag(place: bytes, seed: int) -> bytes:
    return hashlib.blake2b(place, digest_size=12, key=seed.to_bytes(8, "big")).digest()


def _masked(place: bytes, tag: bytes) -> bytes:
    mask = hashlib.blake2b(tag, digest_size=4).digest()
    return bytes(a ^ b for a, b in zip(place, mask, strict=True))
