"""Photos from the store: the stored bytes for the model, and small pictures for pages."""

import asyncio
import io

import streamlit as st
from PIL import Image

from dashboard.store import Store
from euguess.images.preprocessing import InvalidImage, load_photo
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
def read_pictures(_store: Store, keys: tuple[str, ...], side: int) -> list[bytes | None]:
    """Return pictures of at most side x side pixels, without metadata; None if damaged."""
    return [picture(data, side) for data in read_photos(_store, keys)]


def picture(photo: bytes, side: int) -> bytes | None:
    """Convert a photo to a small JPEG without EXIF or other metadata; None if damaged."""
    try:
        image = load_photo(photo, side=side)
    except InvalidImage:
        return None
    image.thumbnail((side, side))
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, "JPEG", quality=QUALITY)
    return buffer.getvalue()
