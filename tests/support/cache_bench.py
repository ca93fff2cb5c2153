"""A dataset, its store and the folder of its cache, for tests of the tensor cache."""

import hashlib
from pathlib import Path

import numpy as np

from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ImageSpec
from euguess.storage import ObjectStore
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.decoding import DecodeOptions
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.manifest import Manifest, build_manifest
from tests.support.stored_datasets import CountingStore, DatasetBuilder

SPEC = ImageSpec(size=16)


class CacheBench:
    """Builds the cache of the dataset `demo` and counts the photos that a build reads."""

    def __init__(self, store: ObjectStore, folder: Path) -> None:
        self.store = store
        self.counting = CountingStore(store)
        self.builder = DatasetBuilder(store)
        self.folder = folder

    @property
    def photos_read(self) -> int:
        """Number of photos that the last build read."""
        return self.counting.reads["images"]

    async def manifest(self) -> Manifest:
        return await build_manifest(self.store, "demo")

    async def build(self, decode: DecodeOptions | None = None) -> TensorCache:
        request = CacheRequest(self.folder, SPEC, decode or DecodeOptions())
        self.counting.reads.clear()
        return await build_cache(self.counting, await self.manifest(), request)

    async def damage(self, location: str, data: bytes) -> str:
        """Replace the first photo of a location in France; returns its key."""
        key = f"datasets/demo/images/FR/simulator-{location}/0.jpg"
        await self.store.put(key, data)
        return key

    async def check(self, cache: TensorCache) -> None:
        """Assert that each row has the pixels of its photo, and the folder no other files."""
        assert cache.images.shape == (len(cache), SPEC.size, SPEC.size, 3)
        for row, key in enumerate(cache.table.column("key").to_pylist()):
            data = await self.store.get(str(key))
            assert np.array_equal(cache.images[row], decode_photo(data, SPEC.size))
            assert cache.views.sha256s[row] == hashlib.sha256(data).hexdigest()
        names = {path.name for path in self.folder.iterdir()}
        assert names == {"images.npy", "index.parquet", "cache.json", "hashes.npz", "lock"}
