"""The tensor cache on disk: images.npy (N, S, S, 3) uint8, index.parquet, cache.json, hashes.npz.

cache.json is written last and holds the size of images.npy and the SHA-256 of index.parquet, which
in turn holds a CRC-32 of every image. hashes.npz is a record of cache.hashes, and may be missing.
"""

import hashlib
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from euguess.errors import StaleCache
from euguess.images.perceptual_hash import Hashes
from euguess.images.preprocessing import PIXELS_VERSION
from euguess.messages.records import (
    DatasetName,
    Record,
    Sha256,
)
from euguess.messages.serving import ImageSpec
from services.trainer.dataset.view_index import Rows, ViewIndex

FORMAT_VERSION = 1
IMAGES, INDEX, HEADER = "images.npy", "index.parquet", "cache.json"
CRC_COLUMN = "pixels_crc32"
VERIFY_ROWS = 1024  # rows read at a time: 12 MB at 64 x 64

Pixels = NDArray[np.uint8]


class SkippedView(Record):
    """A view that was skipped because its photo is damaged."""

    key: str
    reason: str


class CacheHeader(Record):
    """Contents of cache.json."""

    format_version: int = FORMAT_VERSION
    pixels_version: int = PIXELS_VERSION
    dataset: DatasetName
    manifest_digest: Sha256
    size: int = Field(ge=8, description="Side of the images in pixels")
    images: int = Field(ge=0)
    images_bytes: int = Field(ge=0, description="Size of images.npy")
    index_sha256: Sha256
    skipped: tuple[SkippedView, ...] = ()


@dataclass(frozen=True)
class TensorCache:
    """An open cache; images are memory-mapped, so only rows that are read are loaded."""

    folder: Path
    header: CacheHeader
    images: Pixels  # (N, S, S, 3)
    table: pa.Table  # one row per image: the manifest's columns and pixels_crc32
    hashes: Hashes | None = None  # perceptual hash of each image, once they are known

    @cached_property
    def views(self) -> ViewIndex:
        return ViewIndex.from_table(self.table)

    def __len__(self) -> int:
        return self.header.images

    def damaged_rows(self) -> Rows:
        """Return the rows whose pixels do not match their checksum; reads the full file."""
        found = [_crc32s(chunk) for _, chunk in _chunks(self.images)]
        return np.flatnonzero(np.concatenate(found) != crcs_of(self.table))


def spec_digest(image: ImageSpec) -> str:
    """Return the folder name for caches of this image size and preprocessing."""
    facts = {"format": FORMAT_VERSION, "pixels": PIXELS_VERSION, "size": image.size}
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def cache_folder(home: Path, dataset: str, image: ImageSpec) -> Path:
    """Return the folder of a dataset's cache on this machine."""
    return home / "caches" / dataset / spec_digest(image)


def row_crc32(image: Pixels) -> int:
    return zlib.crc32(np.ascontiguousarray(image).data)


def crcs_of(table: pa.Table) -> NDArray[np.uint32]:
    return np.asarray(table.column(CRC_COLUMN).to_numpy(), dtype=np.uint32)


def open_cache(
    folder: Path,
    *,
    image: ImageSpec | None = None,
    manifest_digest: str | None = None,
    verify: bool = False,
) -> TensorCache:
    """Open a finished cache. Raises StaleCache, which says what differs from the expectation.

    Sizes and the index are always checked; verify also reads and checks every image.
    """
    header = read_header(folder)
    _check_expected(folder, header, image, manifest_digest)
    cache = TensorCache(folder, header, _map_images(folder, header), _read_index(folder, header))
    if read_header(folder) != header:
        raise _stale(folder, "it was replaced while it was opened")
    if verify and len(cache.damaged_rows()):
        raise _stale(folder, f"{len(cache.damaged_rows())} images do not match their checksum")
    return cache


def read_header(folder: Path) -> CacheHeader:
    """Read the header. Raises StaleCache if it is missing, invalid or of another version."""
    try:
        facts = json.loads((folder / HEADER).read_bytes())
    except FileNotFoundError:
        raise _stale(folder, f"there is no {HEADER}: it was never finished") from None
    except ValueError:
        raise _stale(folder, f"{HEADER} is not readable") from None
    version = facts.get("format_version") if isinstance(facts, dict) else None
    if version != FORMAT_VERSION:
        raise _stale(folder, f"it has format version {version}, expected {FORMAT_VERSION}")
    try:
        return CacheHeader.model_validate(facts)
    except ValidationError:
        raise _stale(folder, f"{HEADER} has missing or invalid fields") from None


def _check_expected(
    folder: Path, header: CacheHeader, image: ImageSpec | None, manifest_digest: str | None
) -> None:
    if header.pixels_version != PIXELS_VERSION:
        found = f"preprocessing version {header.pixels_version}, expected {PIXELS_VERSION}"
        raise _stale(folder, f"it was built with {found}")
    if image is not None and header.size != image.size:
        raise _stale(folder, f"its images are {header.size} pixels wide, expected {image.size}")
    if manifest_digest is not None and header.manifest_digest != manifest_digest:
        raise _stale(folder, f"it holds another state of dataset {header.dataset!r}")


def _map_images(folder: Path, header: CacheHeader) -> Pixels:
    path = folder / IMAGES
    size = path.stat().st_size if path.is_file() else 0
    if size != header.images_bytes:
        raise _stale(folder, f"{IMAGES} has {size} bytes, expected {header.images_bytes}")
    try:
        # "c": torch accepts only writable arrays; writes stay in memory and never reach the file.
        images = np.load(path, mmap_mode="c", allow_pickle=False)
    except ValueError:
        raise _stale(folder, f"{IMAGES} is not readable") from None
    shape = (header.images, header.size, header.size, 3)
    if images.dtype != np.uint8 or images.shape != shape:
        raise _stale(folder, f"{IMAGES} is {images.dtype} {images.shape}, expected uint8 {shape}")
    return np.asarray(images)


def _read_index(folder: Path, header: CacheHeader) -> pa.Table:
    path = folder / INDEX
    data = path.read_bytes() if path.is_file() else b""
    if hashlib.sha256(data).hexdigest() != header.index_sha256:
        raise _stale(folder, f"{INDEX} does not match {HEADER}")
    table = pq.read_table(pa.BufferReader(data))
    if table.num_rows != header.images:
        raise _stale(folder, f"{INDEX} has {table.num_rows} rows, expected {header.images}")
    return table


def read_checked(cache: TensorCache) -> Iterator[Pixels]:
    """Read all images in parts. Raises StaleCache if one does not match its checksum."""
    recorded = crcs_of(cache.table)
    for start, chunk in _chunks(cache.images):
        damaged = np.flatnonzero(_crc32s(chunk) != recorded[start : start + len(chunk)])
        if len(damaged):
            raise _stale(cache.folder, f"image {start + damaged[0]} does not match its checksum")
        yield chunk


def _chunks(images: Pixels) -> Iterator[tuple[int, Pixels]]:
    for start in range(0, len(images), VERIFY_ROWS):
        yield start, np.array(images[start : start + VERIFY_ROWS])


def _crc32s(images: Pixels) -> NDArray[np.uint32]:
    return np.array([row_crc32(image) for image in images], dtype=np.uint32)


def _stale(folder: Path, difference: str) -> StaleCache:
    return StaleCache(f"The tensor cache {folder} cannot be used: {difference}. Build it again.")
