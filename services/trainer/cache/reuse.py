"""Reuse decoded photos from the previous cache and from unfinished builds."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from euguess.collection.manifest_format import decode_manifest
from euguess.errors import ChecksumMismatch, StaleCache
from euguess.messages.serving import ImageSpec
from services.trainer.cache.files import BUILDING
from services.trainer.cache.format import Pixels, crcs_of, open_cache, row_crc32
from services.trainer.cache.rows import ImageRows, WrittenRow
from services.trainer.dataset.manifest import Manifest

PLAN = "plan.parquet"  # the manifest that a build is for
ROWS_PER_SYNC = 4096


@dataclass(frozen=True)
class _Source:
    """Decoded images by the SHA-256 of their photo."""

    rows: dict[str, int]
    crc32s: list[int]
    read: Callable[[int], Pixels]


def copy_known_rows(folder: Path, manifest: Manifest, rows: ImageRows, *, image: ImageSpec) -> None:
    """Fill missing rows with images decoded earlier; skip images with a wrong CRC-32."""
    for source in _sources(folder, manifest, image):
        wanted = ((row, source.rows.get(str(manifest.views.sha256s[row]))) for row in rows.missing)
        copied: list[WrittenRow] = []
        for row, found in wanted:
            if found is None:
                continue
            pixels = source.read(found)
            if row_crc32(pixels) == source.crc32s[found]:
                copied.append(rows.write(int(row), pixels))
            if len(copied) >= ROWS_PER_SYNC:
                rows.commit(copied)
                copied = []
        if copied:
            rows.commit(copied)


def _sources(folder: Path, manifest: Manifest, image: ImageSpec) -> Iterator[_Source]:
    try:
        cache = open_cache(folder, image=image)
    except StaleCache:
        pass
    else:
        known = {str(sha256): row for row, sha256 in enumerate(cache.views.sha256s)}
        yield _Source(known, crcs_of(cache.table).tolist(), lambda row: cache.images[row])
    for building in sorted(folder.glob(f"{BUILDING}*")):
        if not building.name.endswith(manifest.digest[:16]):
            yield from _unfinished(building, image)


def _unfinished(building: Path, image: ImageSpec) -> Iterator[_Source]:
    """Yield the rows of an interrupted build of another state of the dataset."""
    try:
        table, _ = decode_manifest((building / PLAN).read_bytes(), PLAN)
    except (FileNotFoundError, ChecksumMismatch):
        return
    with ImageRows(building, images=table.num_rows, size=image.size) as rows:
        shas = table.column("sha256").to_pylist()
        known = {str(shas[row]): int(row) for row in rows.marks.nonzero()[0]}
        yield _Source(known, rows.crc32s.tolist(), rows.read)
