"""Learnable datasets: photos with a colour of their country and a pattern of their place."""

import hashlib
import io

import numpy as np
from PIL import Image

from tests.support.stored_datasets import DatasetBuilder

COLOURS = {"DE": (60, 60, 60), "FR": (40, 70, 200), "IT": (50, 190, 60), "PL": (220, 40, 60)}
SIDE = 64


class LearnableDataset(DatasetBuilder):
    """Writes a dataset; views of a place share a pattern and differ in noise."""

    side = SIDE

    def _photo(self, code: str, location_id: str, heading: int) -> bytes:
        return country_photo(code, location_id, heading)


def country_photo(code: str, place: str, heading: int) -> bytes:
    """Draw a JPEG: half the country's colour, half a pattern of the place, plus noise."""
    seed = int.from_bytes(hashlib.sha256(place.encode()).digest()[:4], "big")
    pattern = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    smooth = Image.fromarray(pattern).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    noise = np.random.default_rng(seed + heading).normal(0, 12, (SIDE, SIDE, 3))
    mixed = 0.5 * np.array(COLOURS[code]) + 0.5 * np.asarray(smooth) + noise
    buffer = io.BytesIO()
    Image.fromarray(mixed.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
