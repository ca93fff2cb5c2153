"""Perceptual hashes of a cache's images, recorded so that a run need not read all pixels.

hashes.npz is trusted while images.npy is the file that was read: same size, inode and times of its
last change. Otherwise every image is checked against its CRC-32 and hashed anew.
"""

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from euguess.images.perceptual_hash import HASH_VERSION, Hashes, hash_images
from euguess.process.files import write_atomically
from services.trainer.cache.format import IMAGES, TensorCache, read_checked

HASHES = "hashes.npz"

Stamp = NDArray[np.int64]


def with_hashes(cache: TensorCache) -> TensorCache:
    """Return the cache with the hashes of its images; record them if they are not known yet.

    Raises StaleCache if images.npy was written to, replaced or restored, and an image is damaged.
    """
    stamp = _stamp(cache.folder / IMAGES)
    hashes = _recorded(cache, stamp)
    if hashes is None:
        parts = [hash_images(images) for images in read_checked(cache)]
        hashes = np.concatenate(parts) if parts else np.array([], dtype=np.uint64)
        _record(cache, hashes, stamp)
    return replace(cache, hashes=hashes)


def _stamp(path: Path) -> Stamp:
    """Return facts that change when a file is written to, replaced, copied or restored."""
    found = path.stat()
    return np.array([found.st_size, found.st_ino, found.st_mtime_ns, found.st_ctime_ns])


def _recorded(cache: TensorCache, stamp: Stamp) -> Hashes | None:
    try:
        with np.load(cache.folder / HASHES, allow_pickle=False) as file:
            recorded = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile):
        return None
    expected = {"stamp": stamp, "index": _index(cache), "version": np.array(HASH_VERSION)}
    is_current = all(np.array_equal(recorded.get(name, []), expected[name]) for name in expected)
    return recorded["hashes"] if is_current and "hashes" in recorded else None


def _record(cache: TensorCache, hashes: Hashes, stamp: Stamp) -> None:
    buffer = io.BytesIO()
    np.savez(buffer, hashes=hashes, stamp=stamp, index=_index(cache), version=HASH_VERSION)
    write_atomically(cache.folder / HASHES, buffer.getvalue())


def _index(cache: TensorCache) -> NDArray[np.str_]:
    return np.array(cache.header.index_sha256)
