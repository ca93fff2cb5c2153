"""Building the tensor cache: correct rows, growth, damage and a full disk."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from euguess.collection.layout import location_key
from euguess.errors import DiskFull, EUGuessError, InvalidInput, StoreError
from euguess.images.preprocessing import decode_photo
from euguess.messages.serving import ImageSpec
from euguess.storage import ObjectStore
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.decoding import DecodeOptions, OnDamage
from services.trainer.cache.files import locked
from services.trainer.cache.format import cache_folder, open_cache
from services.trainer.dataset.manifest import Manifest
from tests.support.cache_bench import SPEC, CacheBench
from tests.support.hostile_photos import UNWRITABLE_EXIF, many_scans, unwritable_exif
from tests.support.phone_photos import phone_photo
from tests.support.stored_datasets import photo

SKIP = DecodeOptions(on_damage=OnDamage.SKIP)


@pytest.fixture
def bench(memory_store: ObjectStore, tmp_path: Path) -> CacheBench:
    return CacheBench(memory_store, tmp_path / "cache")


# --- building ---------------------------------------------------------------------------


async def test_each_row_holds_the_pixels_of_its_photo(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 3, "PL": 2})
    cache = await bench.build()
    await bench.check(cache)
    assert cache.table.column_names[:-1] == (await bench.manifest()).table.column_names
    assert len(cache.damaged_rows()) == 0


async def test_rows_that_are_decoded_during_a_sync_keep_their_checksums(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 8})
    cache = await bench.build(DecodeOptions(downloads=8, rows_per_sync=5))
    assert len(cache) == 24
    assert cache.damaged_rows().tolist() == []


async def test_an_up_to_date_cache_opens_without_reading_photos(
    bench: CacheBench,
) -> None:
    await bench.builder.fill({"FR": 2})
    await bench.build()
    await bench.build()
    assert bench.photos_read == 0


async def test_progress_counts_every_image(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 2})
    seen: list[tuple[int, int]] = []
    await bench.build(DecodeOptions(progress=lambda *step: seen.append(step)))
    assert seen == [(done, 6) for done in range(1, 7)]


async def test_the_folder_depends_on_the_pixels_and_not_on_the_normalisation(
    tmp_path: Path,
) -> None:
    plain, other = ImageSpec(size=64), ImageSpec(size=64, mean=(0, 0, 0))
    assert cache_folder(tmp_path, "demo", plain) == cache_folder(tmp_path, "demo", other)
    assert cache_folder(tmp_path, "demo", plain) != cache_folder(tmp_path, "demo", SPEC)


async def test_a_second_builder_of_the_same_cache_is_refused(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 1})
    with locked(bench.folder), pytest.raises(EUGuessError, match="Another process"):
        await bench.build()
    await bench.check(await bench.build())


async def test_images_can_be_written_to_without_changing_the_file(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 1})
    cache = await bench.build()
    cache.images[:] = 0
    assert not len(open_cache(bench.folder, verify=True).damaged_rows())


# --- growth -----------------------------------------------------------------------------


async def test_a_grown_dataset_reads_only_its_new_photos(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 4})
    await bench.build()
    await bench.builder.add_location("DE", 0)  # sorts before FR, so that all rows move
    cache = await bench.build()
    assert bench.photos_read == 3
    await bench.check(cache)


async def test_rows_of_photos_that_left_the_dataset_are_dropped(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 3})
    await bench.build()
    await bench.store.delete(location_key("demo", "FR", "simulator-FR1"))
    cache = await bench.build()
    assert len(cache) == 6
    assert bench.photos_read == 0
    await bench.check(cache)


async def test_a_damaged_row_of_the_previous_cache_is_not_carried_over(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 2})
    await bench.build()
    data = bytearray((bench.folder / "images.npy").read_bytes())
    data[-1] ^= 1
    (bench.folder / "images.npy").write_bytes(data)
    await bench.builder.add_location("FR", 2)
    await bench.check(await bench.build())
    assert bench.photos_read == 3 + 1


# --- damage -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "damaged", [b"", b"no image", photo(1)[:200], photo(1)], ids=["empty", "text", "cut", "other"]
)
async def test_a_damaged_photo_is_named(bench: CacheBench, damaged: bytes) -> None:
    await bench.builder.fill({"FR": 2})
    key = await bench.damage("FR1", damaged)
    with pytest.raises(StoreError, match=key):
        await bench.build()
    assert not (bench.folder / "cache.json").exists()


async def test_damaged_photos_are_skipped_and_listed_on_request(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 3})
    keys = [await bench.damage(place, b"no image") for place in ("FR0", "FR2")]
    cache = await bench.build(SKIP)
    assert len(cache) == 7
    assert [view.key for view in cache.header.skipped] == keys
    await bench.check(cache)


async def test_a_cache_with_skipped_photos_is_stale_if_all_are_required(
    bench: CacheBench,
) -> None:
    await bench.builder.fill({"FR": 2})
    key = await bench.damage("FR1", b"")
    await bench.build(SKIP)
    with pytest.raises(StoreError, match=key):
        await bench.build()
    assert len(await bench.build(SKIP)) == 5


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"no image", "Unknown image format; send JPEG, PNG, WEBP or HEIC."),
        (
            many_scans(1000),
            "The image has 1000 progressive scans; at most 32 are accepted. "
            "Save it as a baseline JPEG.",
        ),
    ],
)
async def test_an_unusable_photo_is_skipped_too(
    bench: CacheBench, data: bytes, reason: str
) -> None:
    built = await build_cache(*await _with_photo(bench, data))
    assert [view.reason for view in built.header.skipped] == [reason]


@pytest.mark.parametrize("name", UNWRITABLE_EXIF)
async def test_a_photo_with_exif_that_pillow_cannot_write_is_used(
    bench: CacheBench, name: str
) -> None:
    built = await build_cache(*await _with_photo(bench, unwritable_exif(name)))
    assert not built.header.skipped


@pytest.mark.parametrize("kind", ["MPO", "HEIF"])
async def test_the_first_picture_of_a_phones_file_is_cached_upright(
    bench: CacheBench, kind: str
) -> None:
    data, jpeg = (phone_photo(1, kind=one, size=(96, 64), orientation=6) for one in (kind, "JPEG"))
    built = await build_cache(*await _with_photo(bench, data))
    row = int(np.flatnonzero(built.views.sha256s == hashlib.sha256(data).hexdigest())[0])
    difference = built.images[row].astype(np.int64) - decode_photo(jpeg, SPEC.size)
    assert np.abs(difference).mean() < 8


async def _with_photo(bench: CacheBench, data: bytes) -> tuple[ObjectStore, Manifest, CacheRequest]:
    """Store other bytes for the first photo of a dataset, and put their digest in its manifest."""
    await bench.builder.fill({"FR": 1})
    table = (await bench.manifest()).table
    column = table.column_names.index("sha256")
    shas = table.column("sha256").to_pylist()
    shas[0] = hashlib.sha256(data).hexdigest()
    await bench.damage("FR0", data)
    table = table.set_column(column, table.schema.field(column), pa.chunked_array([shas]))
    return bench.store, Manifest("demo", "0" * 64, table), CacheRequest(bench.folder, SPEC, SKIP)


async def test_a_dataset_of_only_damaged_photos_gives_no_cache(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 1})
    for heading in (0, 120, 240):
        await bench.store.delete(f"datasets/demo/images/FR/simulator-FR0/{heading}.jpg")
    with pytest.raises(InvalidInput, match="All 3 photos"):
        await bench.build(SKIP)
    assert not (bench.folder / "cache.json").exists()


async def test_a_full_disk_is_reported_before_any_photo_is_read(bench: CacheBench) -> None:
    await bench.builder.fill({"FR": 1})
    manifest = await bench.manifest()
    bench.folder.mkdir()
    images = shutil.disk_usage(bench.folder).free // (1024 * 1024 * 3) + 1000
    repeats = np.zeros(images, dtype=np.int64)
    huge = Manifest("demo", manifest.digest, manifest.table.take(repeats))
    request = CacheRequest(bench.folder, ImageSpec(size=1024))
    with pytest.raises(DiskFull, match="MB are free"):
        await build_cache(bench.counting, huge, request)
    assert bench.photos_read == 0
