"""Photos from the store: small copies for galleries, and the bytes that a model is asked about."""

import asyncio
import io

import streamlit as st
from PIL import Image

from dashboard.store import Store
from euguess.images.preprocessing import InvalidImage, load_photo
from euguess.storage import ObjectStore

MOST_KEPT = 600
QUALITY = 85


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def read_photos(_store: Store, keys: tuple[str, ...]) -> list[bytes]:
    """Bytes of photos as stored. Raises StoreError."""

    async def read(store: ObjectStore) -> list[bytes]:
        return await asyncio.gather(*(store.get(key) for key in keys))

    return _store.run(read)


@st.cache_data(max_entries=MOST_KEPT, show_spinner=False)
def read_pictures(_store: Store, keys: tuple[str, ...], side: int) -> list[bytes | None]:
    """Pictures of at most side pixels, with nothing in them but pixels; None for a damaged one."""
    return [picture(data, side) for data in read_photos(_store, keys)]


def picture(photo: bytes, side: int) -> bytes | None:
    """A JPEG without EXIF or any other note of where the photo comes from."""
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
