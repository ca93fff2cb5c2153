"""Photos from the store: the stored bytes for the model, and small pictures for pages."""

import asyncio
import io

import streamlit as st
from PIL import Image

from dashboard.connections import Connections
from dashboard.store import Store
from euguess.images.limited_decoder import DecoderPool
from euguess.images.photo_headers import InvalidImage
from euguess.storage import ObjectStore

MAX_CACHED = 600
QUALITY = 85


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def read_photos(_store: Store, keys: tuple[str, ...]) -> list[bytes]:
    """Return the bytes of photos as stored. Raises StoreError."""

    async def read(store: ObjectStore) -> list[bytes]:
        return await asyncio.gather(*(store.get(key) for key in keys))

    return _store.run(read)


@st.cache_data(max_entries=MAX_CACHED, show_spinner=False)
def read_pictures(
    _connections: Connections, keys: tuple[str, ...], side: int
) -> list[bytes | None]:
    """Return pictures of at most side x side pixels, without metadata; None if damaged.

    Raises StoreError.
    """
    photos = read_photos(_connections.store, keys)
    return [picture(_connections.decoders, photo, side) for photo in photos]


def picture(decoders: DecoderPool, photo: bytes, side: int) -> bytes | None:
    """Convert a photo to a small JPEG without EXIF or other metadata; None if unusable."""
    try:
        pixels = decoders.decode_thumbnail(photo, side)
    except InvalidImage:
        return None
    return encode_picture(Image.fromarray(pixels))


def encode_picture(image: Image.Image) -> bytes:
    """Encode an image as JPEG for a page."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
