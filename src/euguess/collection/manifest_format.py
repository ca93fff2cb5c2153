"""Columns, digest and file format of a manifest."""

import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from euguess.collection.providers import ProviderName
from euguess.errors import ChecksumMismatch
from euguess.messages.collection import LocationRecord, PlaceSource

Row = dict[str, Any]
FORMAT_VERSION = "1"
_FIELDS: "list[pa.Field[Any]]" = [
    pa.field("location_id", pa.string(), nullable=False),
    pa.field("country_code", pa.string(), nullable=False),
    pa.field("lat", pa.float64()),  # null: an imported photo of unknown position
    pa.field("lon", pa.float64()),
    pa.field("heading", pa.float64(), nullable=False),
    pa.field("key", pa.string(), nullable=False),
    pa.field("sha256", pa.string(), nullable=False),
    pa.field("bytes", pa.int64(), nullable=False),
    pa.field("width", pa.int32(), nullable=False),
    pa.field("height", pa.int32(), nullable=False),
    pa.field("provider", pa.string(), nullable=False),
    pa.field("panorama_id", pa.string(), nullable=False),
    pa.field("captured_at", pa.string()),
    pa.field("attribution", pa.string(), nullable=False),
    pa.field("license", pa.string(), nullable=False),
    pa.field("slot_index", pa.int64()),
]
PLACE_COLUMN = "place_known_by"
OLDER_SCHEMA = pa.schema(_FIELDS)  # of manifests before PLACE_COLUMN was added
# null: the place is known by its panorama, or was given. Then rows have the digest that they had
# before there was this column.
SCHEMA = OLDER_SCHEMA.append(pa.field(PLACE_COLUMN, pa.string()))
_DIGITS_OF_ID = 20  # of the SHA-256 of a photo, in the id of a location that none was given for
_ORDER = ("country_code", "location_id", "heading", "key")
_VERSION_NAME, _DIGEST_NAME = b"euguess.manifest.version", b"euguess.manifest.digest"


def rows_of(record: LocationRecord) -> list[Row]:
    """Return one row for each view of a location."""
    shared: Row = {
        "location_id": record.location_id,
        "country_code": record.country_code,
        "lat": record.lat,
        "lon": record.lon,
        "provider": record.provider,
        "panorama_id": record.panorama_id,
        "captured_at": record.captured_at,
        "attribution": record.attribution,
        "license": record.license,
        "slot_index": record.slot.index if record.slot else None,
    }
    rows = [shared | view.model_dump() for view in record.views]
    if record.place_known_by is None:
        return [_with_place(row) for row in rows]
    is_given = record.place_known_by is PlaceSource.GIVEN
    return [row | {PLACE_COLUMN: None if is_given else record.place_known_by.value} for row in rows]


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Sort rows into the manifest's order and build its table."""
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in _ORDER))
    return pa.Table.from_pylist(ordered, schema=SCHEMA)


def digest_of(table: pa.Table) -> str:
    """Return the SHA-256 of the rows as JSON lines, which is independent of the Parquet writer."""
    rows = table.to_pylist()
    for row in rows:
        if row.get(PLACE_COLUMN) is None:
            row.pop(PLACE_COLUMN, None)
    lines = (json.dumps(row, separators=(",", ":")) for row in rows)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def encode_manifest(table: pa.Table, digest: str) -> bytes:
    """Write a Parquet file with the digest in its metadata."""
    marks = {_VERSION_NAME: FORMAT_VERSION, _DIGEST_NAME: digest}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(marks), buffer, compression="zstd")
    return buffer.getvalue()


def decode_manifest(data: bytes, name: str) -> tuple[pa.Table, str]:
    """Read table and digest. Raises ChecksumMismatch for a damaged file or another format."""
    try:
        table = pq.read_table(io.BytesIO(data))
    except (pa.ArrowException, OSError):
        raise ChecksumMismatch(f"{name} is not a readable Parquet file; rebuild it.") from None
    marks = table.schema.metadata or {}
    table = table.replace_schema_metadata(None)
    digest = marks.get(_DIGEST_NAME, b"").decode()
    is_known = table.schema.equals(SCHEMA) or table.schema.equals(OLDER_SCHEMA)
    if marks.get(_VERSION_NAME) != FORMAT_VERSION.encode() or not is_known:
        raise ChecksumMismatch(f"{name} was written in another format; rebuild it.")
    if digest_of(table) != digest:
        raise ChecksumMismatch(f"{name} does not match its recorded digest; rebuild it.")
    return (table if table.schema.equals(SCHEMA) else _upgraded(table)), digest


def _upgraded(table: pa.Table) -> pa.Table:
    return pa.Table.from_pylist([_with_place(row) for row in table.to_pylist()], schema=SCHEMA)


def _with_place(row: Row) -> Row:
    """Add how the place of an older row was known.

    Older imports made a place of each photo without a location_id, and named it by the photo.
    """
    is_named_by_photo = row["panorama_id"] == row["sha256"][:_DIGITS_OF_ID]
    if row["provider"] != ProviderName.FOLDER or not is_named_by_photo:
        return row | {PLACE_COLUMN: None}
    place = PlaceSource.UNKNOWN if row["lat"] is None else PlaceSource.GUESS
    return row | {PLACE_COLUMN: place.value}
