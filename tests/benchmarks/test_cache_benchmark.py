"""Tensor cache against the study's method: full decoding and one float32 file per image."""

import asyncio
import hashlib
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from euguess.collection.layout import location_key, spec_key, view_key
from euguess.collection.providers import ProviderName
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    ViewRecord,
)
from euguess.messages.serving import ImageSpec
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.format import TensorCache, open_cache
from services.trainer.dataset.manifest import Manifest, build_manifest

pytestmark = [pytest.mark.benchmark, pytest.mark.photos]

ROUNDS = 5
BATCH = 200
IMAGE = ImageSpec(size=64)
MEAN, STD = (np.array(part, dtype=np.float32) for part in (IMAGE.mean, IMAGE.std))


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds, and CPU seconds over all threads."""

    wall: float
    cpu: float


Pair = tuple[Timing, Timing]  # the study's method, ours


def timed(work: Callable[[], object]) -> Timing:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Timing(time.perf_counter() - wall, time.process_time() - cpu)


def report(name: str, pairs: Sequence[Pair], *, images: int) -> float:
    """Print medians and ratios; return the median ratio of CPU times."""
    cpu = statistics.median(study.cpu / ours.cpu for study, ours in pairs)
    wall = statistics.median(study.wall / ours.wall for study, ours in pairs)
    for who, rows in zip(("study", "ours"), zip(*pairs, strict=True), strict=True):
        seconds = statistics.median(row.wall for row in rows)
        cpu_ms = 1000 * statistics.median(row.cpu for row in rows) / images
        print(f"{name:<18} {who:<5} {images / seconds:9,.0f} images/s  {cpu_ms:6.3f} CPU ms/image")
    print(f"{name:<18} ratio {wall:9.1f} x by wall  {cpu:6.1f} x by CPU")
    return cpu


def study_build(files: list[Path], folder: Path) -> None:
    """Decode everything, resize, normalise, and save each image."""
    for file in files:
        with Image.open(file) as photo:
            small = photo.convert("RGB").resize((64, 64), Image.Resampling.BILINEAR)
        tensor = (np.asarray(small, dtype=np.float32) / 255 - MEAN) / STD
        torch.save(torch.from_numpy(tensor), folder / f"{file.stem}.pt")


def study_first_batch(folder: Path) -> NDArray[np.float32]:
    """Load all files, then return the first batch."""
    files = sorted(folder.iterdir())
    every = np.array([torch.load(path).numpy() for path in files])  # noqa: TID251 # as the study
    return every[:BATCH]


def our_first_batch(folder: Path) -> NDArray[np.float32]:
    pixels = open_cache(folder, image=IMAGE).images[:BATCH]
    return np.asarray((pixels.astype(np.float32) / 255 - MEAN) / STD, dtype=np.float32)


def one_round(
    files: list[Path], our_build: Callable[[Path], TensorCache], folder: Path
) -> tuple[Pair, Pair]:
    """Time both methods in turn: build, then load the result."""
    study, ours = folder / "study", folder / "ours"
    study.mkdir(parents=True)
    build = timed(lambda: study_build(files, study)), timed(lambda: our_build(ours))
    load = timed(lambda: study_first_batch(study)), timed(lambda: our_first_batch(ours))
    assert np.abs(study_first_batch(study) - our_first_batch(ours)).mean() < 0.02
    return build, load


@pytest.fixture
def files(photos: Path) -> list[Path]:
    return sorted((photos / "jpeg640").glob("*.jpg"))


@pytest.fixture
async def store(tmp_path: Path) -> ObjectStore:
    return await open_store(StoreSettings(store_url=f"file://{tmp_path / 'store'}"))


@pytest.fixture
async def manifest(store: ObjectStore, files: list[Path]) -> Manifest:
    """Store the photos as an imported dataset with one view per location."""
    spec = DatasetSpec(name="bench", quotas={"FR": len(files)}, provider=ProviderName.FOLDER)
    await store.put(spec_key("bench"), spec.model_dump_json().encode())
    for file in files:
        await import_photo(store, file)
    return await build_manifest(store, "bench")


async def import_photo(store: ObjectStore, file: Path) -> None:
    data, name = file.read_bytes(), f"folder-{file.stem}"
    key = view_key("bench", "FR", name, 0)
    await store.put(key, data)
    digest = hashlib.sha256(data).hexdigest()
    view = ViewRecord(key=key, heading=0, sha256=digest, bytes=len(data), width=640, height=640)
    record = LocationRecord(
        location_id=name,
        dataset="bench",
        provider=ProviderName.FOLDER,
        panorama_id=file.stem,
        country_code="FR",
        lat=47,
        lon=2,
        attribution="",
        license="",
        views=(view,),
        fetched_at=datetime.now(UTC),
    )
    await store.put(location_key("bench", "FR", name), record.model_dump_json().encode())


async def test_the_cache_is_built_and_loaded_faster_than_single_files(
    store: ObjectStore, manifest: Manifest, files: list[Path], tmp_path: Path
) -> None:
    def our_build(folder: Path) -> TensorCache:
        return asyncio.run(build_cache(store, manifest, CacheRequest(folder, IMAGE)))

    rounds = [
        await asyncio.to_thread(one_round, files, our_build, tmp_path / f"{number}")
        for number in range(ROUNDS)
    ]
    print()
    builds, loads = zip(*rounds, strict=True)
    assert report("build", builds, images=len(files)) > 1.5
    assert report("open + first batch", loads, images=len(files)) > 5
