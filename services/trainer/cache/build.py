"""Build the tensor cache of a dataset: in parallel, resumably and incrementally."""

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from euguess.collection.manifest_format import encode_manifest
from euguess.errors import InvalidInput, StaleCache
from euguess.messages.serving import ImageSpec
from euguess.process.files import write_atomically
from euguess.storage import ObjectStore
from services.trainer.cache.decoding import DecodeOptions, OnDamage, decode_missing
from services.trainer.cache.files import (
    BUILDING,
    cache_room_errors,
    install_finished,
    locked,
    remove_unfinished,
    require_room,
)
from services.trainer.cache.format import (
    CRC_COLUMN,
    HEADER,
    IMAGES,
    INDEX,
    CacheHeader,
    SkippedView,
    TensorCache,
    open_cache,
)
from services.trainer.cache.hashes import with_hashes
from services.trainer.cache.reuse import PLAN, copy_known_rows
from services.trainer.cache.rows import ImageRows
from services.trainer.dataset.manifest import Manifest


@dataclass(frozen=True)
class CacheRequest:
    """A cache to build; folder comes from cache.format.cache_folder."""

    folder: Path
    image: ImageSpec
    decode: DecodeOptions = field(default_factory=DecodeOptions)


async def build_cache(store: ObjectStore, manifest: Manifest, request: CacheRequest) -> TensorCache:
    """Return the cache of a manifest with its hashes; build it unless it is up to date.

    An interrupted build is resumed. Images of the previous cache and of unfinished builds are
    reused if the SHA-256 of their photo matches. Raises DiskFull, and StoreError with the key of a
    damaged photo unless these are skipped; the previous cache then stays unchanged.
    """
    folder = request.folder
    with locked(folder), cache_room_errors(folder):
        install_finished(folder)
        current = _up_to_date(manifest, request)
        if current is not None:
            return current
        building = folder / f"{BUILDING}{manifest.digest[:16]}"
        building.mkdir(exist_ok=True)
        write_atomically(
            building / PLAN, encode_manifest(manifest.table, manifest.digest), durable=True
        )
        await _build(store, manifest, request, building)
        install_finished(folder)
        remove_unfinished(folder)
        built = open_cache(folder, image=request.image, manifest_digest=manifest.digest)
        return with_hashes(built)


def _up_to_date(manifest: Manifest, request: CacheRequest) -> TensorCache | None:
    try:
        found = open_cache(request.folder, image=request.image, manifest_digest=manifest.digest)
        cache = with_hashes(found)  # a damaged image makes the cache stale, and is built again
    except StaleCache:
        return None
    is_complete = not cache.header.skipped or request.decode.on_damage is OnDamage.SKIP
    return cache if is_complete else None


async def _build(
    store: ObjectStore, manifest: Manifest, request: CacheRequest, building: Path
) -> None:
    size = request.image.size
    with ImageRows(building, images=len(manifest), size=size) as rows:
        copy_known_rows(request.folder, manifest, rows, image=request.image)
        require_room(building, len(rows.missing) * size * size * 3)
        skipped = await decode_missing(store, manifest, rows, request.decode)
        kept = np.setdiff1d(np.arange(len(manifest)), np.array(list(skipped), dtype=np.int64))
        if not len(kept):
            raise InvalidInput(f"All {len(manifest)} photos of {manifest.dataset!r} are damaged.")
        table = manifest.table.take(kept).append_column(CRC_COLUMN, pa.array(rows.crc32s[kept]))
        if skipped:
            rows.keep(kept)
    reasons = {manifest.keys[row]: skipped[row] for row in sorted(skipped)}
    _write_index_and_header(building, manifest, table, size=size, skipped=reasons)


def _write_index_and_header(
    building: Path, manifest: Manifest, table: pa.Table, *, size: int, skipped: dict[str, str]
) -> None:
    index = _parquet(table)
    write_atomically(building / INDEX, index, durable=True)
    header = CacheHeader(
        dataset=manifest.dataset,
        manifest_digest=manifest.digest,
        size=size,
        images=table.num_rows,
        images_bytes=(building / IMAGES).stat().st_size,
        index_sha256=hashlib.sha256(index).hexdigest(),
        skipped=tuple(SkippedView(key=key, reason=reason) for key, reason in skipped.items()),
    )
    write_atomically(building / HEADER, header.model_dump_json(indent=2), durable=True)


def _parquet(table: pa.Table) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()
