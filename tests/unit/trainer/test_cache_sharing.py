"""A cache that one machine publishes is downloaded whole by another, or not at all."""

from pathlib import Path

import numpy as np
import pytest

from euguess.collection.layout import cache_prefix
from euguess.errors import StaleCache
from euguess.storage import ObjectStore
from services.trainer.cache.cache_sharing import download_cache, publish_cache
from services.trainer.cache.format import TensorCache, spec_digest
from tests.support.cache_bench import SPEC, CacheBench

PREFIX = cache_prefix("demo", spec_digest(SPEC))


@pytest.fixture
async def bench(memory_store: ObjectStore, tmp_path: Path) -> CacheBench:
    bench = CacheBench(memory_store, tmp_path / "here")
    await bench.builder.fill({"FR": 2})
    return bench


@pytest.fixture
def there(bench: CacheBench, tmp_path: Path) -> CacheBench:
    """Another machine with the same store."""
    return CacheBench(bench.store, tmp_path / "there")


async def download(bench: CacheBench) -> TensorCache | None:
    digest = (await bench.manifest()).digest
    return await download_cache(
        bench.store, bench.folder, dataset="demo", image=SPEC, manifest_digest=digest
    )


async def test_a_published_cache_is_downloaded_as_it_was(
    bench: CacheBench, there: CacheBench
) -> None:
    cache = await bench.build()
    assert await publish_cache(bench.store, cache) == PREFIX
    downloaded = await download(there)
    assert downloaded is not None
    assert downloaded.header == cache.header
    assert np.array_equal(downloaded.images, cache.images)
    await there.build()
    assert there.photos_read == 0


async def test_there_may_be_none(bench: CacheBench) -> None:
    assert await download(bench) is None


async def test_a_published_cache_of_another_state_is_not_downloaded(
    bench: CacheBench, there: CacheBench
) -> None:
    await publish_cache(bench.store, await bench.build())
    await bench.builder.add_location("FR", 2)
    assert await download(there) is None
    await publish_cache(bench.store, await bench.build())
    downloaded = await download(there)
    assert downloaded is not None
    assert len(downloaded) == 9


async def test_a_half_published_cache_is_not_downloaded(
    bench: CacheBench, there: CacheBench
) -> None:
    await publish_cache(bench.store, await bench.build())
    await bench.store.delete(PREFIX + "cache.json")
    assert await download(there) is None


@pytest.mark.parametrize("name", ["images.npy", "index.parquet"])
async def test_a_damaged_download_is_refused_and_a_build_goes_on_without_it(
    bench: CacheBench, there: CacheBench, name: str
) -> None:
    await publish_cache(bench.store, await bench.build())
    data = bytearray(await bench.store.get(PREFIX + name))
    data[-1] ^= 1
    await bench.store.put(PREFIX + name, bytes(data))
    with pytest.raises(StaleCache):
        await download(there)
    await there.check(await there.build())
