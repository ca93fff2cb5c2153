"""Perceptual hashes are recorded, and trusted only while the images are the file that was read."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from euguess.images.perceptual_hash import hash_images
from euguess.storage import ObjectStore
from services.trainer.cache import hashes
from services.trainer.cache.format import IMAGES
from services.trainer.cache.hashes import HASHES
from services.trainer.loading.split_data import hashed_views
from tests.support.cache_bench import CacheBench


@pytest.fixture
async def bench(memory_store: ObjectStore, tmp_path: Path) -> CacheBench:
    """A finished cache of six images."""
    bench = CacheBench(memory_store, tmp_path / "cache")
    await bench.builder.fill({"FR": 1, "PL": 1})
    await bench.build()
    return bench


@pytest.fixture
def images_hashed(bench: CacheBench, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of images in each part that is hashed from now on."""
    counts: list[int] = []

    def counted(pixels: np.ndarray) -> np.ndarray:
        counts.append(len(pixels))
        return hash_images(pixels)

    monkeypatch.setattr(hashes, "hash_images", counted)
    return counts


async def test_an_unchanged_cache_is_not_hashed_again(
    bench: CacheBench, images_hashed: list[int]
) -> None:
    cache = await bench.build()
    assert images_hashed == []
    views = hashed_views(cache)
    assert views.hashes is not None
    assert views.hashes.tolist() == hash_images(cache.images).tolist()


def copied(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def written_with_its_old_time(path: Path) -> None:
    before = path.stat()
    data = path.read_bytes()
    with path.open("r+b") as file:
        file.write(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", [copied, written_with_its_old_time])
async def test_a_replaced_or_rewritten_file_is_read_again(
    bench: CacheBench, images_hashed: list[int], change: Callable[[Path], None]
) -> None:
    change(bench.folder / IMAGES)
    await bench.build()
    await bench.build()
    assert images_hashed == [6]


@pytest.mark.parametrize("data", [b"", b"no archive", None])
async def test_damaged_or_missing_hashes_are_computed_again(
    bench: CacheBench, images_hashed: list[int], data: bytes | None
) -> None:
    path = bench.folder / HASHES
    path.unlink() if data is None else path.write_bytes(data)
    await bench.check(await bench.build())
    assert images_hashed == [6]


async def test_hashes_of_another_version_are_computed_again(
    bench: CacheBench, images_hashed: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hashes, "HASH_VERSION", 99)
    await bench.build()
    assert images_hashed == [6]


async def test_a_damaged_image_is_found_and_decoded_again(bench: CacheBench) -> None:
    with (bench.folder / IMAGES).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)[0]
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last ^ 1]))
    cache = await bench.build()
    assert bench.photos_read == 1
    await bench.check(cache)


async def test_a_grown_cache_has_the_hashes_of_its_rows(bench: CacheBench) -> None:
    await bench.builder.add_location("DE", 0)
    cache = await bench.build()
    assert cache.hashes is not None
    assert cache.hashes.tolist() == hash_images(cache.images).tolist()
