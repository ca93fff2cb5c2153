"""Datasets that can be learnt: photos with a colour of their country and a look of their place."""

import hashlib
import io

import numpy as np
from PIL import Image

from euguess.collection.layout import view_key
from euguess.messages.collection import ViewRecord
from tests.support.stored_datasets import DatasetBuilder

COLOURS = {"DE": (60, 60, 60), "FR": (40, 70, 200), "IT": (50, 190, 60), "PL": (220, 40, 60)}
SIDE = 64


class LearnableDataset(DatasetBuilder):
    """Writes a dataset; the place's pattern is shared by its views, the heading shades them."""

    async def _add_view(self, code: str, location_id: str, heading: int) -> ViewRecord:
        key = view_key(self.name, code, location_id, heading)
        data = country_photo(code, location_id, heading)
        await self.store.put(key, data)
        return ViewRecord(
            key=key,
            heading=heading,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            width=SIDE,
            height=SIDE,
        )


def country_photo(code: str, place: str, heading: int) -> bytes:
    """A JPEG: half the country's colour, half a pattern of the place, and some noise."""
    seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:4], "big")
    pattern = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    smooth = Image.fromarray(pattern).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed + heading).normal(0, 12, (SIDE, SIDE, 3))
    mixed = 0.5 * np.array(COLOURS[code]) + 0.5 * np.asarray(smooth) + noise
    buffer = io.BytesIO()
    Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
