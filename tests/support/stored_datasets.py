"""Small datasets in a store, as the fetcher and the import write them."""

import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime

import numpy as np
from PIL import Image

from euguess.collection.layout import location_key, slot_key, spec_key, view_key
from euguess.collection.providers import ProviderName
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotKey,
    SlotOutcome,
    SlotStatus,
    ViewRecord,
)
from euguess.storage import ObjectStore

THEN = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)
HEADINGS = (0, 120, 240)


def photo(seed: int, side: int = 64) -> bytes:
    """Draw a smooth JPEG that differs by seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(buffer, "JPEG")
    return buffer.getvalue()


class CountingStore:
    """An ObjectStore that counts reads by folder of the dataset: images, locations, slots."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.reads: Counter[str] = Counter()
        self.put = store.put
        self.create = store.create
        self.exists = store.exists
        self.folders = store.folders
        self.list = store.list
        self.delete = store.delete

    async def get(self, key: str, *, sha256: str | None = None) -> bytes:
        self.reads[key.split("/")[2]] += 1
        return await self._store.get(key, sha256=sha256)


class DatasetBuilder:
    """Writes one dataset; photos are numbered by country, location and view."""

    side = 64  # of the photos, in pixels

    def __init__(self, store: ObjectStore, name: str = "demo", provider: str = "simulator") -> None:
        self.store = store
        self.name = name
        self.provider = provider

    async def create(self, quotas: Mapping[str, int]) -> None:
        spec = DatasetSpec(name=self.name, quotas=dict(quotas), provider=self.provider)
        await self.store.put(spec_key(self.name), spec.model_dump_json().encode())

    async def fill(self, quotas: Mapping[str, int]) -> None:
        """Create the dataset and complete all its slots."""
        await self.create(quotas)
        for code, quota in quotas.items():
            for index in range(quota):
                await self.add_location(code, index)

    async def add_location(self, code: str, index: int, *, panorama: str | None = None) -> str:
        """Store the photos, record and outcome of a slot; return the location id."""
        location_id = await self.add_record(code, index, panorama=panorama)
        if self.provider != ProviderName.FOLDER:
            await self.add_outcome(code, index, SlotStatus.STORED, location_id)
        return location_id

    async def add_record(self, code: str, index: int, *, panorama: str | None = None) -> str:
        """Store the photos and record of a location, without an outcome."""
        panorama = panorama or f"{code}{index}"
        location_id = f"{self.provider}-{panorama}"
        views = [await self._add_view(code, location_id, heading) for heading in HEADINGS]
        slot = SlotKey(country_code=code, index=index)
        record = LocationRecord(
            location_id=location_id,
            dataset=self.name,
            slot=None if self.provider == ProviderName.FOLDER else slot,
            provider=self.provider,
            panorama_id=panorama,
            country_code=code,
            lat=45 + 0.01 * index,
            lon=5.0,
            attribution="drawn",
            license="CC0",
            views=tuple(views),
            fetched_at=THEN,
        )
        key = location_key(self.name, code, location_id)
        await self.store.put(key, record.model_dump_json().encode())
        return location_id

    async def add_outcome(
        self, code: str, index: int, status: SlotStatus, location_id: str | None = None
    ) -> None:
        slot = SlotKey(country_code=code, index=index)
        outcome = SlotOutcome(
            dataset=self.name,
            slot=slot,
            fence=1,
            status=status,
            location_id=location_id,
            finished_at=THEN,
        )
        await self.store.put(slot_key(self.name, slot), outcome.model_dump_json().encode())

    async def _add_view(self, code: str, location_id: str, heading: int) -> ViewRecord:
        key = view_key(self.name, code, location_id, heading)
        data = self._photo(code, location_id, heading)
        await self.store.put(key, data)
        return ViewRecord(
            key=key,
            heading=heading,
            sha256=hashlib.sha256(data).hexdigest(),
            bytes=len(data),
            width=self.side,
            height=self.side,
        )

    def _photo(self, code: str, location_id: str, heading: int) -> bytes:
        """Draw a photo of side x side pixels."""
        key = view_key(self.name, code, location_id, heading)
        seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big")
        return photo(seed, self.side)
