"""The measurement of loading times: each way is timed by itself, on the same photos."""

import asyncio
from collections.abc import Iterator
from itertools import accumulate, cycle
from pathlib import Path

import pytest

from euguess.messages.serving import ImageSpec
from euguess.settings import StoreSettings
from euguess.storage import open_store
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.manifest import build_manifest
from services.trainer.paper.loading import REPEATS, measure_loading
from tests.support.stored_datasets import DatasetBuilder


@pytest.fixture
def settings(tmp_path: Path) -> StoreSettings:
    return StoreSettings(store_url=f"file://{tmp_path / 'store'}")


@pytest.fixture
def cache(tmp_path: Path, settings: StoreSettings) -> TensorCache:
    return asyncio.run(filled(tmp_path / "cache", settings))


async def filled(folder: Path, settings: StoreSettings) -> TensorCache:
    store = await open_store(settings)
    await DatasetBuilder(store).fill({"FR": 2, "PL": 1})
    manifest = await build_manifest(store, "demo")
    return await build_cache(store, manifest, CacheRequest(folder, ImageSpec(size=32)))


def ticks() -> Iterator[float]:
    """Times at which each JPEG pass took 3 s and each cache pass 1 s."""
    return accumulate(cycle((3.0, 0.0, 1.0, 0.0)), initial=0.0)


def test_each_way_is_timed_by_itself(cache: TensorCache, settings: StoreSettings) -> None:
    clock = ticks()
    times = measure_loading(cache, settings, lambda: next(clock))
    assert (times.photos, times.size) == (9, 32)
    assert times.jpegs == (3.0,) * REPEATS
    assert times.cache == (1.0,) * REPEATS
    assert times.ratio == 3.0
    assert times.ratios == (3.0, 3.0)
