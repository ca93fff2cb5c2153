"""An interrupted build resumes, and never leaves anything that passes for a finished cache."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from euguess.errors import StaleCache
from euguess.storage import ObjectStore
from services.trainer.cache.decoding import DecodeOptions
from services.trainer.cache.files import install_finished
from services.trainer.cache.format import open_cache
from services.trainer.cache.rows import ImageRows
from tests.support.cache_bench import CacheBench


class Interrupted(Exception):
    """Stops a build as a signal would."""


@pytest.fixture
def bench(memory_store: ObjectStore, tmp_path: Path) -> CacheBench:
    return CacheBench(memory_store, tmp_path / "cache")


async def interrupt(bench: CacheBench, at: int) -> Path:
    """Start a build, stop it at an image and return its unfinished folder."""

    def progress(done: int, total: int) -> None:
        if done == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        await bench.build(DecodeOptions(rows_per_sync=4, downloads=2, progress=progress))
    return next(bench.folder.glob("building-*"))


async def test_a_build_recovers_from_a_kill_during_installation(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 2})
    await bench.build()
    building = bench.folder / "building-moving"
    building.mkdir()
    for name in ("index.parquet", "cache.json"):  # images.npy had been moved
        (bench.folder / name).rename(building / name)
    await bench.check(await bench.build())
    assert bench.photos_read == 0


async def test_a_half_installed_cache_cannot_be_opened(
    bench: CacheBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.builder.fill({"FR": 2})
    await bench.build()
    shutil.copytree(bench.folder, bench.folder / "building-moving")
    move = Path.replace

    def stop_at_the_index(source: Path, target: Path) -> Path:
        if source.name == "index.parquet":
            raise Interrupted
        return move(source, target)

    monkeypatch.setattr(Path, "replace", stop_at_the_index)
    with pytest.raises(Interrupted):
        install_finished(bench.folder)
    with pytest.raises(StaleCache, match="never finished"):
        open_cache(bench.folder)


def test_images_reach_the_disk_before_their_rows_are_marked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync, marks = os.fsync, []

    def watch(handle: int) -> None:
        marks.append(any((tmp_path / "rows.bin").read_bytes()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watch)
    with ImageRows(tmp_path, images=2, size=8) as rows:
        rows.commit([rows.write(1, np.ones((8, 8, 3), dtype=np.uint8))])
        assert rows.missing.tolist() == [0]
    assert marks == [False, True]


@pytest.mark.parametrize("fault", ["pixels", "journal", "images gone", "cut"])
async def test_rows_damaged_by_a_power_cut_are_rebuilt(bench: CacheBench, fault: str) -> None:
    await bench.builder.fill({"FR": 10})
    building = await interrupt(bench, at=17)
    images, journal = building / "images.npy", building / "rows.bin"
    match fault:
        case "pixels":
            data = bytearray(images.read_bytes())
            data[200:5000] = bytes(4800)
            images.write_bytes(data)
        case "journal":
            journal.write_bytes(b"\xff" * 240)
        case "images gone":
            images.unlink()
        case "cut":
            images.write_bytes(images.read_bytes()[:3000])
    await bench.check(await bench.build())


async def test_a_build_interrupted_before_the_dataset_grew_is_reused(
    bench: CacheBench,
) -> None:
    await bench.builder.fill({"FR": 10})
    await interrupt(bench, at=17)
    await bench.builder.add_location("DE", 0)
    await bench.check(await bench.build())
    assert bench.photos_read <= 33 - 17 + 6
