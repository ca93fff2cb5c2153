"""Panorama ids of 22 characters that encode a cell, so that a lookup by id needs no table."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

OFFICIAL_LENGTH = 22  # 16 bytes in unpadded URL-safe base64, the form of the real API's ids
USER_PREFIX = "CIHM0ogKEICAgICE7uTSsg"  # 22 characters; ids of user photospheres are longer


@dataclass(frozen=True, slots=True)
class Cell:
    """A square of the world's grid: row from the south pole, column from 180 degrees west."""

    row: int
    column: int


def encode_pano_id(cell: Cell, seed: int) -> str:
    """Return the id of a cell's panorama: 12 bytes of keyed hash, then the cell masked by them."""
    packed = struct.pack(">HH", cell.row, cell.column)
    tag = _tag(packed, seed)
    return base64.urlsafe_b64encode(tag + _masked(packed, tag)).decode().rstrip("=")


def decode_pano_id(pano_id: str, seed: int) -> Cell | None:
    """Return the cell of an official or user id; None for an id that this seed does not have."""
    official = pano_id.removeprefix(USER_PREFIX)
    try:
        raw = base64.b64decode(official + "==", altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    if len(official) != OFFICIAL_LENGTH or len(raw) != 16:
        return None
    cell = Cell(*struct.unpack(">HH", _masked(raw[12:], raw[:12])))
    # Encoding it again also rejects ids of other seeds and stray bits in the last character.
    return cell if encode_pano_id(cell, seed) == official else None


def user_pano_id(pano_id: str) -> str:
    """Return the 44-character id of a contributor's photosphere at the same coordinate."""
    return USER_PREFIX + pano_id


def _tag(packed: bytes, seed: int) -> bytes:
    return hashlib.blake2b(packed, digest_size=12, key=seed.to_bytes(8, "big")).digest()


def _masked(packed: bytes, tag: bytes) -> bytes:
    mask = hashlib.blake2b(tag, digest_size=4).digest()
    return bytes(a ^ b for a, b in zip(packed, mask, strict=True))
