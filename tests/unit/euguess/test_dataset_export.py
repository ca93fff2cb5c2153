"""Exports are complete, and an export that is imported again loses nothing."""

import asyncio
import csv
import io
import zipfile
from pathlib import Path

import pyarrow as pa
import pytest

from euguess.collection.export import EVERYTHING, Kind, Part, encode, export_table, write_zip
from euguess.collection.layout import location_key, locations_prefix
from euguess.collection.manifest import read_manifest, update_manifest
from euguess.errors import ChecksumMismatch, InvalidInput
from euguess.imports.labelled import read_labelled
from euguess.imports.storing import store_dataset
from euguess.messages.collection import LocationRecord, PlaceSource
from euguess.storage import ObjectStore
from euguess.storage.local import memory_store as open_memory_store
from tests.support.stored_datasets import DatasetBuilder

NAMES = ["country_code", "lat", "lon", "heading", "sha256", "bytes", "width", "height"]
NAMES += ["attribution", "license", "captured_at", "place_known_by", "heading_is_relative"]


@pytest.fixture
def builder(memory_store: ObjectStore) -> DatasetBuilder:
    return DatasetBuilder(memory_store)


async def zipped(store: ObjectStore, kind: Kind, part: Part = EVERYTHING) -> bytes:
    table = await export_table(store, "demo", part)
    buffer = io.BytesIO()
    await write_zip(store, table, kind, buffer)
    return buffer.getvalue()


async def import_again(data: bytes, folder: Path, kind: Kind) -> ObjectStore:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        archive.extractall(folder)
    found = read_labelled(folder / f"manifest.{kind}", lambda done, of: None)
    assert found.problems == []
    store = open_memory_store()
    await store_dataset(store, "demo", found.photos, lambda done, of: None)
    return store


def views(table: pa.Table) -> list[tuple[object, ...]]:
    """Everything that an export tells of each view, with the place but not its prefix."""
    places = [
        str(place).removeprefix("folder-") for place in table.column("location_id").to_pylist()
    ]
    columns = [table.column(name).to_pylist() for name in NAMES]
    return sorted(zip(places, *columns, strict=True), key=str)


async def edit(store: ObjectStore, place: str, **changes: object) -> None:
    key = location_key("demo", "FR", place)
    record = LocationRecord.model_validate_json(await store.get(key))
    await store.put(key, record.model_copy(update=changes).model_dump_json().encode())


async def test_an_export_has_every_stored_place_whatever_the_last_manifest_lists(
    builder: DatasetBuilder,
) -> None:
    await builder.create({"FR": 3})
    await builder.add_location("FR", 0)
    await update_manifest(builder.store, "demo")
    await builder.add_location("FR", 1)
    await builder.add_location("FR", 2)
    table = await export_table(builder.store, "demo")
    assert len(set(table.column("location_id").to_pylist())) == 3
    manifest, _ = await read_manifest(builder.store, "demo")
    assert manifest.num_rows == table.num_rows == 9


@pytest.mark.parametrize("kind", Kind)
async def test_an_exported_collection_can_be_imported_again_without_loss(
    builder: DatasetBuilder, tmp_path: Path, kind: Kind
) -> None:
    await builder.fill({"FR": 2, "PL": 1})
    await edit(builder.store, "simulator-FR0", captured_at="2019-07", attribution="'=odd", lat=-1.5)
    before = await export_table(builder.store, "demo")
    imported = await import_again(await zipped(builder.store, kind), tmp_path, kind)
    assert views(await export_table(imported, "demo")) == views(before)


async def test_an_import_that_is_exported_and_imported_again_is_the_same_import(
    tmp_path: Path, memory_store: ObjectStore
) -> None:
    builder = DatasetBuilder(memory_store, provider="folder")
    await builder.fill({"FR": 3})
    guessed = {"place_known_by": PlaceSource.GUESS, "headings_are_relative": True}
    await edit(builder.store, "folder-FR1", **guessed, lat=None, lon=None)
    before = await export_table(builder.store, "demo")
    imported = await import_again(await zipped(builder.store, Kind.CSV), tmp_path, Kind.CSV)
    after = await export_table(imported, "demo")
    assert after.to_pylist() == before.to_pylist()
    assert [row["place_known_by"] for row in after.to_pylist()].count("guess") == 3
    assert after.column("heading_is_relative").to_pylist().count(True) == 3


async def test_a_part_is_chosen_by_country_number_and_what_was_seen(
    builder: DatasetBuilder,
) -> None:
    await builder.fill({"FR": 5, "PL": 2})
    part = Part(frozenset({"FR"}), 3, frozenset({"simulator-FR0"}))
    chosen, again = [await export_table(builder.store, "demo", part) for _ in range(2)]
    places = set(chosen.column("location_id").to_pylist())
    assert len(places) == 3
    assert "simulator-FR0" not in places
    assert set(chosen.column("country_code").to_pylist()) == {"FR"}
    assert chosen.equals(again)
    names = zipfile.ZipFile(io.BytesIO(await zipped(builder.store, Kind.CSV, part))).namelist()
    assert names == ["manifest.csv", *chosen.column("file").to_pylist()]
    with pytest.raises(InvalidInput, match="choose more"):
        await export_table(builder.store, "demo", Part(frozenset({"DE"})))


async def test_a_damaged_photo_ends_an_export(builder: DatasetBuilder) -> None:
    await builder.fill({"FR": 1})
    table = await export_table(builder.store, "demo")
    await builder.store.put(str(table.column("key").to_pylist()[0]), b"other bytes")
    with pytest.raises(ChecksumMismatch):
        await write_zip(builder.store, table, Kind.CSV, io.BytesIO())


def test_a_csv_has_numbers_but_no_formulas() -> None:
    table = pa.table({"attribution": ['=HYPERLINK("x")'], "lat": [-1.5], "none": pa.array([None])})
    (row,) = csv.DictReader(io.StringIO(encode(table, Kind.CSV).decode()))
    assert row == {"attribution": '\'=HYPERLINK("x")', "lat": "-1.5", "none": ""}


async def test_an_odd_word_for_how_a_place_is_known_is_refused(tmp_path: Path) -> None:
    builder = DatasetBuilder(open_memory_store())
    await builder.fill({"FR": 1})
    with zipfile.ZipFile(io.BytesIO(await zipped(builder.store, Kind.CSV))) as archive:
        archive.extractall(tmp_path)
    manifest = tmp_path / "manifest.csv"
    text = (
        manifest.read_text()
        .replace("place_known_by", "was")
        .replace("slot_index", "place_known_by")
    )
    manifest.write_text(text)
    found = await asyncio.to_thread(read_labelled, manifest, lambda done, of: None)
    assert "use given, position, guess, unknown" in found.problems[0]
    prefix = locations_prefix("demo")
    assert [key async for key in builder.store.list(prefix)]
