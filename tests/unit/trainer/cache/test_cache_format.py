"""Stale, foreign, half-written and damaged caches are refused with what differs."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from euguess.errors import StaleCache
from euguess.messages.serving import ImageSpec
from euguess.storage import ObjectStore
from services.trainer.cache.format import TensorCache, open_cache
from tests.support.cache_bench import SPEC, CacheBench


@pytest.fixture
async def cache(memory_store: ObjectStore, tmp_path: Path) -> TensorCache:
    """A finished cache of six images."""
    bench = CacheBench(memory_store, tmp_path / "cache")
    await bench.builder.fill({"FR": 1, "PL": 1})
    return await bench.build()


def edit_header(folder: Path, **fields: Any) -> None:
    path = folder / "cache.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def truncate(path: Path, count: int) -> None:
    path.write_bytes(path.read_bytes()[:-count])


def flip_last_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


Damage = Callable[[Path], object]
DAMAGES: dict[str, tuple[Damage, str]] = {
    "no header": (lambda at: (at / "cache.json").unlink(), "never finished"),
    "header cut": (lambda at: truncate(at / "cache.json", 40), "cache.json is not readable"),
    "header a list": (lambda at: (at / "cache.json").write_text("[]"), "format version None"),
    "older format": (lambda at: edit_header(at, format_version=0), "version 0, expected 1"),
    "unknown field": (lambda at: edit_header(at, colour="red"), "has missing or invalid fields"),
    "other pixels": (lambda at: edit_header(at, pixels_version=99), "preprocessing version 99"),
    "no images": (lambda at: (at / "images.npy").unlink(), "images.npy has 0 bytes"),
    "images cut": (lambda at: truncate(at / "images.npy", 1), "images.npy has 4735 bytes"),
    "images swapped": (
        lambda at: np.save(at / "images.npy", np.zeros((6, 16, 48), np.uint8)),
        r"images.npy is uint8 \(6, 16, 48\)",
    ),
    "no index": (lambda at: (at / "index.parquet").unlink(), "index.parquet does not match"),
    "index changed": (
        lambda at: flip_last_byte(at / "index.parquet"),
        "index.parquet does not match",
    ),
    "other count": (
        lambda at: edit_header(at, images=5, images_bytes=4736),
        r"images.npy is uint8 \(6, 16, 16, 3\), expected uint8 \(5, 16, 16, 3\)",
    ),
}


@pytest.mark.parametrize(("damage", "difference"), DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_cache_is_refused_with_the_difference(
    cache: TensorCache, damage: Damage, difference: str
) -> None:
    damage(cache.folder)
    with pytest.raises(StaleCache, match=difference):
        open_cache(cache.folder)


@pytest.mark.parametrize(
    ("expected", "difference"),
    [
        ({"image": ImageSpec(size=32)}, "16 pixels wide, expected 32"),
        ({"manifest_digest": "0" * 64}, "another state of dataset 'demo'"),
    ],
)
def test_a_mismatched_cache_is_refused_with_the_difference(
    cache: TensorCache, expected: dict[str, Any], difference: str
) -> None:
    with pytest.raises(StaleCache, match=difference):
        open_cache(cache.folder, **expected)


def test_a_folder_without_a_cache_is_refused_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(StaleCache, match=f"{tmp_path}.*Build it again"):
        open_cache(tmp_path)


def test_a_matching_cache_is_opened(cache: TensorCache) -> None:
    digest = cache.header.manifest_digest
    opened = open_cache(cache.folder, image=SPEC, manifest_digest=digest, verify=True)
    assert len(opened) == 6
    assert opened.views.countries == ("FR", "PL")
    assert opened.views.labels(("PL", "FR")).tolist() == [1, 1, 1, 0, 0, 0]
    assert np.array_equal(opened.images, cache.images)


def test_a_changed_pixel_is_found_by_verification(cache: TensorCache) -> None:
    flip_last_byte(cache.folder / "images.npy")
    assert open_cache(cache.folder).damaged_rows().tolist() == [5]
    with pytest.raises(StaleCache, match="1 images do not match their checksum"):
        open_cache(cache.folder, verify=True)
