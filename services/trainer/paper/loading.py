"""Measure how much faster the tensor cache loads than the JPEGs that it was made from."""

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from euguess.images.preprocessing import decode_photo
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from services.trainer.cache.format import TensorCache
from services.trainer.dataset.view_index import Rows

MOST_PHOTOS = 500  # some seconds of decoding
REPEATS = 5

Clock = Callable[[], float]  # seconds


@dataclass(frozen=True)
class LoadingTimes:
    """Seconds to load the same photos from JPEGs and from the cache, once per repetition."""

    photos: int
    size: int  # pixels
    jpegs: tuple[float, ...]
    cache: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """Median time of the JPEGs by that of the cache."""
        return statistics.median(self.jpegs) / statistics.median(self.cache)

    @property
    def ratios(self) -> tuple[float, float]:
        """The lowest and highest ratio of any two repetitions."""
        return min(self.jpegs) / max(self.cache), max(self.jpegs) / min(self.cache)


def measure_loading(
    cache: TensorCache, settings: StoreSettings, clock: Clock = time.perf_counter
) -> LoadingTimes:
    """Load photos spread over the dataset, one after the other, in both ways in turn.

    A first pass that is not timed leaves both in the system's file cache.
    """
    return asyncio.run(_measure(cache, settings, clock))


async def _measure(cache: TensorCache, settings: StoreSettings, clock: Clock) -> LoadingTimes:
    store = await open_store(settings)
    rows = np.linspace(0, len(cache) - 1, min(len(cache), MOST_PHOTOS)).astype(np.int64)
    keys = [str(key) for key in cache.table.column("key").take(rows).to_pylist()]
    jpegs, cached = [], []
    for _ in range(1 + REPEATS):
        started = clock()
        await _load_jpegs(store, keys, cache.header.size)
        jpegs.append(clock() - started)
        started = clock()
        _load_rows(cache, rows)
        cached.append(clock() - started)
    return LoadingTimes(len(rows), cache.header.size, tuple(jpegs[1:]), tuple(cached[1:]))


async def _load_jpegs(store: ObjectStore, keys: Sequence[str], size: int) -> None:
    for key in keys:
        decode_photo(await store.get(key), size)


def _load_rows(cache: TensorCache, rows: Rows) -> None:
    for row in rows:
        np.array(cache.images[row])
