"""How well the places of a dataset are known, from its records to its manifest and views."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from euguess.clock import utc_now
from euguess.collection.manifest_format import (
    OLDER_SCHEMA,
    decode_manifest,
    digest_of,
    encode_manifest,
    rows_of,
    table_of,
)
from euguess.collection.providers import ProviderName
from euguess.imports.labelled import read_labelled
from euguess.imports.storing import store_dataset
from euguess.messages.collection import LocationRecord, PlaceSource, ViewRecord
from euguess.storage import ObjectStore
from euguess.training.report import Places
from services.trainer.dataset.manifest import build_manifest
from services.trainer.dataset.view_index import ViewIndex
from tests.support.phone_photos import phone_photo

SHA256 = "ab" * 32


def record(place: PlaceSource | None, **changes: object) -> LocationRecord:
    """Build the record of a photo whose place was named by the photo."""
    name = SHA256[:20]
    fields = {
        "location_id": f"folder-{name}",
        "dataset": "mine",
        "provider": ProviderName.FOLDER,
        "panorama_id": name,
        "country_code": "FR",
        "lat": None,
        "lon": None,
        "attribution": "",
        "license": "unknown",
        "views": (ViewRecord(key="1", heading=0, sha256=SHA256, bytes=1, width=9, height=9),),
        "fetched_at": utc_now(),
        "place_known_by": place,
        **changes,
    }
    return LocationRecord.model_validate(fields)


def index(*records: LocationRecord) -> ViewIndex:
    return ViewIndex.from_table(table_of([row for one in records for row in rows_of(one)]))


@pytest.mark.parametrize(
    ("sources", "places"),
    [
        ([PlaceSource.GIVEN], Places.KNOWN),
        ([PlaceSource.POSITION, PlaceSource.GIVEN], Places.KNOWN),
        ([PlaceSource.GIVEN, PlaceSource.GUESS], Places.GUESSED),
        ([PlaceSource.UNKNOWN, PlaceSource.GUESS, PlaceSource.GIVEN], Places.UNKNOWN),
    ],
)
def test_a_dataset_is_known_as_well_as_its_least_known_place(
    sources: Sequence[PlaceSource], places: Places
) -> None:
    assert index(*map(record, sources)).places is places


@pytest.mark.parametrize(
    ("changes", "places"),
    [
        ({}, Places.UNKNOWN),
        ({"lat": 47.0, "lon": 2.0}, Places.GUESSED),  # nothing joined photos of one position
        ({"panorama_id": "place-1"}, Places.KNOWN),
        ({"provider": "simulator"}, Places.KNOWN),
    ],
)
def test_records_of_older_imports_tell_it_by_their_ids(
    changes: dict[str, object], places: Places
) -> None:
    assert index(record(None, **changes)).places is places


def older_manifest(one: LocationRecord) -> tuple[bytes, str]:
    rows = [{name: row[name] for name in OLDER_SCHEMA.names} for row in rows_of(one)]
    table = pa.Table.from_pylist(rows, schema=OLDER_SCHEMA)
    return encode_manifest(table, digest_of(table)), digest_of(table)


def test_a_manifest_without_the_column_is_read_and_keeps_its_digest() -> None:
    data, digest = older_manifest(record(None))
    table, found = decode_manifest(data, "manifest")
    assert found == digest
    assert ViewIndex.from_table(table).places is Places.UNKNOWN


def test_given_places_leave_the_digest_as_it_was() -> None:
    one = record(PlaceSource.GIVEN, panorama_id="place-1")
    assert digest_of(table_of(rows_of(one))) == older_manifest(one)[1]


def test_unknown_places_change_the_digest_so_that_older_caches_are_rebuilt() -> None:
    one = record(PlaceSource.UNKNOWN)
    assert digest_of(table_of(rows_of(one))) != older_manifest(one)[1]


async def test_a_plain_folder_gives_a_dataset_of_unknown_places(
    tmp_path: Path, memory_store: ObjectStore
) -> None:
    for number, code in enumerate(("FR", "FR", "PL")):
        (tmp_path / code).mkdir(exist_ok=True)
        (tmp_path / code / f"{number}.jpg").write_bytes(phone_photo(number))
    photos = read_labelled(tmp_path, lambda done, of: None).photos
    await store_dataset(memory_store, "mine", photos, lambda done, of: None)
    assert (await build_manifest(memory_store, "mine")).views.places is Places.UNKNOWN
