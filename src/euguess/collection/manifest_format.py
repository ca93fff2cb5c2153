"""Columns, digest and file format of a manifest."""

import hashlib
import io
import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from euguess.errors import ChecksumMismatch
from euguess.messages.collection import LocationRecord

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
SCHEMA = pa.schema(_FIELDS)
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
    return [shared | view.model_dump() for view in record.views]


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Sort rows into the manifest's order and build its table."""
    ordered = sorted(rows, key=lambda row: tuple(row[name] for name in _ORDER))
    return pa.Table.from_pylist(ordered, schema=SCHEMA)


def digest_of(table: pa.Table) -> str:
    """Return the SHA-256 of the rows as JSON lines, which is independent of the Parquet writer."""
    lines = (json.dumps(row, separators=(",", ":")) for row in table.to_pylist())
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
    if marks.get(_VERSION_NAME) != FORMAT_VERSION.encode() or not table.schema.equals(SCHEMA):
        raise ChecksumMismatch(f"{name} was written in another format; rebuild it.")
    if digest_of(table) != digest:
        raise ChecksumMismatch(f"{name} does not match its recorded digest; rebuild it.")
    return table, digest
