"""Import of labelled photos: manifest checks, and the imported dataset."""

import csv
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from euguess.cli.imports import import_dataset
from euguess.collection.datasets import stored_status
from euguess.collection.layout import dataset_prefix, locations_prefix
from euguess.errors import DatasetConflict, InvalidInput, InvalidManifest
from euguess.imports.labelled import Labelled, read_labelled
from euguess.imports.storing import store_dataset
from euguess.messages.collection import DatasetState, LocationRecord
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from tests.support.fetcher_fakes import photo
from tests.support.hostile_photos import UNWRITABLE_EXIF, many_scans, unwritable_exif

Cells = Mapping[str, str]


def row(number: int, **changes: str) -> Cells:
    """A valid row; `folder` creates its file."""
    return {
        "file": f"{number}.jpg",
        "country_code": "FR",
        "lat": "47.5",
        "lon": "2.25",
        "heading": "90",
        "location_id": f"place-{number}",
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six good photos, and some that no manifest may list."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(6):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / "broken.jpg").write_bytes(photo(9)[:600])
    (folder / "same.jpg").write_bytes(photo(0))
    (folder / "scans.jpg").write_bytes(many_scans(1000))
    with (folder / "large.jpg").open("wb") as large:
        large.truncate(10**12)  # sparse: it cannot be read into memory
    (tmp_path / "outside.jpg").write_bytes(photo(8))
    (folder / "link.jpg").symlink_to(tmp_path / "outside.jpg")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "loop.jpg").symlink_to(folder / "loop.jpg")
    os.mkfifo(folder / "pipe.jpg")
    return folder


def manifest(folder: Path, rows: Sequence[Cells]) -> Path:
    path = folder / "manifest.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(dict.fromkeys(k for r in rows for k in r)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(path: Path) -> Labelled:
    return read_labelled(path, lambda done, of: None)


async def store(target: ObjectStore, path: Path, name: str = "real") -> None:
    await store_dataset(target, name, read(path).photos, lambda done, of: None)


async def records(target: ObjectStore) -> list[LocationRecord]:
    keys = sorted([key async for key in target.list(locations_prefix("real"))])
    return [LocationRecord.model_validate_json(await target.get(key)) for key in keys]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"file": "missing.jpg"}, "No such file"),
        ({"file": ""}, "is not a file"),
        ({"country_code": "XX"}, "XX"),
        ({"country_code": ""}, "country"),
        ({"lat": "95"}, "lat 95"),
        ({"lat": "nan"}, "lat nan"),
        ({"lon": "181"}, "lon 181"),
        ({"lon": ""}, "not numbers"),
        ({"heading": "360"}, "below 360"),
        ({"heading": "north"}, "not a number"),
        ({"location_id": "../../x"}, "location_id"),
        ({"sha256": "0" * 64}, "sha256"),
        ({"file": "broken.jpg"}, "damaged"),
        ({"file": "manifest.csv"}, "Unknown image format"),
        ({"file": "scans.jpg"}, "1000 progressive scans"),
        ({"file": "large.jpg"}, "at most 20000000"),
        ({"file": "2.jpg\0"}, "NUL character"),
        ({"file": "../outside.jpg"}, "--allow-outside"),
        ({"file": "link.jpg"}, "--allow-outside"),
        ({"file": "linked/outside.jpg"}, "--allow-outside"),
        ({"file": "loop.jpg"}, "loop.jpg"),
        ({"file": "pipe.jpg"}, "is not a file"),
        ({"file": "0.jpg"}, "same photo as line 2"),
        ({"file": "same.jpg"}, "same photo as line 2"),
        ({"location_id": "place-0", "country_code": "DE"}, "is in DE here and in FR at line 2"),
    ],
)
def test_a_bad_row_is_named_by_its_line(
    folder: Path, changes: dict[str, str], problem: str
) -> None:
    found = read(manifest(folder, [row(0), row(1), row(2, **changes)]))
    (line,) = found.problems
    assert line.startswith("line 4: ")
    assert problem in line
    assert len(found.photos) == 2


@pytest.mark.parametrize("file", ["../outside.jpg", "link.jpg", "linked/outside.jpg"])
def test_photos_outside_the_folder_can_be_allowed(folder: Path, file: str) -> None:
    path = manifest(folder, [row(0, file=file), row(1, file=str(folder / "1.jpg"))])
    found = read_labelled(path, lambda done, of: None, allow_outside=True)
    assert not found.problems
    assert [photo.path.name for photo in found.photos] == [Path(file).name, "1.jpg"]


def test_links_within_the_folder_are_followed(folder: Path) -> None:
    (folder / "inner.jpg").symlink_to(folder / "1.jpg")
    assert not read(manifest(folder, [row(0, file="inner.jpg")])).problems


@pytest.mark.parametrize("name", UNWRITABLE_EXIF)
def test_exif_that_pillow_cannot_write_does_not_stop_an_import(folder: Path, name: str) -> None:
    (folder / "0.jpg").write_bytes(unwritable_exif(name))
    found = read(manifest(folder, [row(0), row(1)]))
    assert [photo.size for photo in found.photos] == [(64, 64), (64, 64)]


def test_parquet_text_that_is_not_utf_8_is_named_by_its_row(folder: Path) -> None:
    files = pa.array([b"0.jpg", b"\xff.jpg"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"file": files, "country_code": ["FR", "FR"]}), folder / "m.parquet")
    with pytest.raises(InvalidManifest, match="row 2 has text that is not UTF-8"):
        read(folder / "m.parquet")


def test_all_problems_are_listed_at_once(folder: Path) -> None:
    rows = [row(0, lat="95"), row(1, country_code="XX"), row(2), row(3, file="gone.jpg")]
    found = read(manifest(folder, rows))
    assert [problem.split(":")[0] for problem in found.problems] == ["line 2", "line 3", "line 5"]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("none.csv", None, "cannot be read"),
        ("empty.csv", b"", "lacks the column"),
        ("header.csv", b"file,country_code\n", "no photos"),
        ("other.csv", b"path,label\na,b\n", "lacks the column file and country_code"),
        ("binary.csv", b"\xff\xfe\x00", "cannot be read"),
        ("broken.parquet", b"PAR1", "cannot be read"),
    ],
)
def test_an_unreadable_manifest_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: bytes | None, problem: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidManifest, match=problem):
        read(tmp_path / name)


def test_a_parquet_manifest_is_read_like_csv(folder: Path) -> None:
    rows = [row(0), row(1, heading="")]
    columns = {name: [r[name] for r in rows] for name in rows[0]}
    columns["lat"] = [47.5, 47.5]  # type: ignore[list-item] # a column of numbers
    pq.write_table(pa.table(columns), folder / "m.parquet")
    by_csv, by_parquet = read(manifest(folder, rows)), read(folder / "m.parquet")
    assert [p.path for p in by_parquet.photos] == [p.path for p in by_csv.photos]
    assert [p.coordinate for p in by_parquet.photos] == [p.coordinate for p in by_csv.photos]
    assert by_parquet.photos[1].heading_is_relative


async def test_a_folder_gives_one_place_without_coordinates_per_photo(
    tmp_path: Path, memory_store: ObjectStore
) -> None:
    for number, code in enumerate(("FR", "FR", "PL")):
        (tmp_path / code).mkdir(exist_ok=True)
        (tmp_path / code / f"{number}.jpg").write_bytes(photo(number))
    await store(memory_store, tmp_path)
    places = await records(memory_store)
    assert [place.country_code for place in places] == ["FR", "FR", "PL"]
    assert {(place.lat, place.lon) for place in places} == {(None, None)}
    assert all(place.headings_are_relative for place in places)


async def test_photos_keep_their_bytes_and_repeated_headings_get_their_own_keys(
    folder: Path, memory_store: ObjectStore
) -> None:
    rows = [row(n, location_id="one", heading=h) for n, h in enumerate(("0", "90", "90"))]
    await store(memory_store, manifest(folder, rows))
    (place,) = await records(memory_store)
    assert [view.key.rpartition("/")[2] for view in place.views] == ["0.jpg", "90.jpg", "90-2.jpg"]
    stored = [await memory_store.get(view.key) for view in place.views]
    assert stored == [photo(number) for number in range(3)]
    assert (place.lat, place.lon, place.slot) == (47.5, 2.25, None)


async def test_a_png_is_stored_unchanged_under_its_own_suffix(
    folder: Path, memory_store: ObjectStore
) -> None:
    buffer = io.BytesIO()
    Image.open(io.BytesIO(photo(3))).save(buffer, "PNG")
    (folder / "0.jpg").write_bytes(buffer.getvalue())  # the suffix is wrong
    await store(memory_store, manifest(folder, [row(0)]))
    (place,) = await records(memory_store)
    assert place.views[0].key.endswith("/90.png")
    assert place.views[0].sha256 == hashlib.sha256(buffer.getvalue()).hexdigest()


async def test_an_imported_dataset_is_complete(folder: Path, memory_store: ObjectStore) -> None:
    rows = [row(0), row(1, country_code="PL"), row(2, location_id="place-0", heading="180")]
    await store(memory_store, manifest(folder, rows))
    status = await stored_status(memory_store, "real")
    assert status.state is DatasetState.IMPORTED
    assert {code: counts.stored for code, counts in status.countries.items()} == {"FR": 1, "PL": 1}
    assert status.spec.headings == (90, 180)


async def test_importing_again_changes_nothing(folder: Path, memory_store: ObjectStore) -> None:
    path = manifest(folder, [row(0), row(1)])
    await store(memory_store, path)
    before = await records(memory_store)
    await store(memory_store, path)
    assert await records(memory_store) == before


@pytest.mark.parametrize(
    "other",
    [
        [row(0), row(1), row(2)],  # more places
        [row(0), row(2)],  # as many, but others
        [row(0, file="3.jpg"), row(1)],  # other photos of the same places
        [row(0), row(1, lat="48")],  # another position
    ],
)
async def test_other_content_under_the_same_name_is_a_conflict(
    folder: Path, memory_store: ObjectStore, other: list[Cells]
) -> None:
    await store(memory_store, manifest(folder, [row(0), row(1)]))
    before = {key async for key in memory_store.list(dataset_prefix("real"))}
    with pytest.raises(DatasetConflict, match="another name"):
        await store(memory_store, manifest(folder, other))
    assert {key async for key in memory_store.list(dataset_prefix("real"))} == before


async def test_an_interrupted_import_is_completed_by_the_next(
    folder: Path, memory_store: ObjectStore
) -> None:
    path = manifest(folder, [row(0), row(1)])
    await store(memory_store, path)
    (first, *_) = [key async for key in memory_store.list(locations_prefix("real"))]
    await memory_store.delete(first)
    assert (await stored_status(memory_store, "real")).state is DatasetState.COLLECTING
    await store(memory_store, path)
    assert (await stored_status(memory_store, "real")).state is DatasetState.IMPORTED


async def test_a_photo_that_changed_since_its_check_is_not_stored(
    folder: Path, memory_store: ObjectStore
) -> None:
    photos = read(manifest(folder, [row(0)])).photos
    (folder / "0.jpg").write_bytes(photo(5))
    with pytest.raises(InvalidManifest, match="has changed"):
        await store_dataset(memory_store, "real", photos, lambda done, of: None)
    assert not await records(memory_store)


async def test_nothing_is_stored_unless_all_rows_are_valid(folder: Path) -> None:
    path = manifest(folder, [row(0), row(1, lat="95")])
    with pytest.raises(InvalidManifest, match="1 invalid rows, nothing was imported"):
        await import_dataset("real", path, skip_bad=False, as_json=True)
    target = await open_store(StoreSettings.load())
    assert [key async for key in target.list(dataset_prefix("real"))] == []


async def test_bad_rows_can_be_left_out(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(folder, [row(0), row(1, lat="95")])
    await import_dataset("real", path, skip_bad=True, as_json=True)
    told = capsys.readouterr()
    assert "line 3" in told.err
    assert '"stored": 1' in told.out


@pytest.mark.parametrize("name", ["a/b", "", "Real", "..", "a..b"])
async def test_an_invalid_name_is_refused_first(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidInput, match="is not a valid name"):
        await import_dataset(name, tmp_path / "unread.csv", skip_bad=False, as_json=False)
