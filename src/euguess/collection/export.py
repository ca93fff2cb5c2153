"""Exports of a dataset: its complete manifest, and a zip with the photos of a chosen part."""

import asyncio
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from euguess.collection.layout import dataset_prefix, location_key
from euguess.collection.manifest import Progress, no_progress, read_records, update_manifest
from euguess.collection.providers import ProviderName
from euguess.collection.spreadsheet import cell
from euguess.errors import InvalidInput
from euguess.storage import ObjectStore

FILE, RELATIVE = "file", "heading_is_relative"  # columns that an import needs besides
PHOTOS_AT_ONCE = 16


class Kind(StrEnum):
    """File format of an exported manifest."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class Part:
    """The places to export; by default all. `places` limits their number: a random choice, which
    is the same each time. Places of `left_out` are not exported."""

    countries: frozenset[str] = frozenset()
    places: int | None = None
    left_out: frozenset[str] = frozenset()


EVERYTHING = Part()


async def export_table(
    store: ObjectStore, dataset: str, part: Part = EVERYTHING, *, progress: Progress = no_progress
) -> pa.Table:
    """Return one row per view of all places of a part that are stored now.

    The columns are those of the manifest, and two that an import reads: `file`, the photo's path
    in the zip, and `heading_is_relative`. Raises DatasetNotFound, StoreError, or InvalidInput if
    nothing of the part is stored.
    """
    table, _ = await update_manifest(store, dataset, progress=progress)
    rows = choose(table, part)
    if not rows.num_rows:
        raise InvalidInput(f"No stored place of {dataset!r} is in the chosen part; choose more.")
    prefix = dataset_prefix(dataset)
    files = [str(key).removeprefix(prefix) for key in rows.column("key").to_pylist()]
    relative = await _relative(store, dataset, rows)
    is_relative = [place in relative for place in rows.column("location_id").to_pylist()]
    return rows.add_column(0, FILE, pa.array(files)).append_column(RELATIVE, pa.array(is_relative))


def choose(table: pa.Table, part: Part) -> pa.Table:
    """Return the rows of a manifest that belong to a part."""
    places, codes = (table.column(name).to_pylist() for name in ("location_id", "country_code"))
    wanted = {
        str(place)
        for place, code in zip(places, codes, strict=True)
        if place not in part.left_out and (not part.countries or code in part.countries)
    }
    if part.places is not None:
        wanted = set(sorted(wanted, key=_draw)[: part.places])
    return table.filter(pa.array([place in wanted for place in places], pa.bool_()))


def encode(table: pa.Table, kind: Kind) -> bytes:
    """Write a file. In CSV, text that a spreadsheet would run follows an apostrophe."""
    if kind is Kind.CSV:
        return _csv(table.column_names, zip(*table.to_pydict().values(), strict=True))
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


async def write_zip(
    store: ObjectStore,
    table: pa.Table,
    kind: Kind,
    target: BinaryIO,
    progress: Progress = no_progress,
) -> None:
    """Write the rows of `export_table` with their photos; `dataset import` reads its manifest.

    Raises ObjectNotFound or ChecksumMismatch for a photo that is missing or damaged.
    """
    columns = (table.column(name).to_pylist() for name in (FILE, "key", "sha256"))
    photos = list(zip(*columns, strict=True))
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:  # photos do not shrink
        archive.writestr(f"manifest.{kind}", encode(table, kind))
        for at in range(0, len(photos), PHOTOS_AT_ONCE):
            group = photos[at : at + PHOTOS_AT_ONCE]
            read = (store.get(key, sha256=digest) for _, key, digest in group)
            for (file, *_), data in zip(group, await asyncio.gather(*read), strict=True):
                archive.writestr(file, data)
            progress(at + len(group), len(photos))


async def _relative(store: ObjectStore, dataset: str, rows: pa.Table) -> set[str]:
    """Return the places whose headings are relative, which only records of imports can say."""
    names = ("country_code", "location_id", "provider")
    places = set(zip(*(rows.column(name).to_pylist() for name in names), strict=True))
    keys = [
        location_key(dataset, code, place)
        for code, place, provider in places
        if provider == ProviderName.FOLDER
    ]
    records = await read_records(store, keys)
    return {record.location_id for record in records if record.headings_are_relative}


def _draw(place: str) -> bytes:
    return hashlib.sha256(place.encode()).digest()


def _csv(names: Iterable[str], rows: Iterable[Iterable[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows([cell(value) for value in row] for row in rows)
    return text.getvalue().encode()
