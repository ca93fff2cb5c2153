"""Perceptual hashes: 64 bits that hardly change when a photo is re-encoded, resized or brightened.

pHash as in C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010),
section 3.2.1: the signs, about their median, of 8 x 8 low frequencies of the discrete cosine
transform of the brightness at 32 x 32 pixels. The constant row and column are left out, since they
are similar in all street photos: sky above road.
"""

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # N x S x S x 3
Hashes = NDArray[np.uint64]  # (N,)

HASH_VERSION = 1  # another one discards recorded hashes
GRID = 32
FREQUENCIES = 8
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
ROWS_AT_ONCE = 512


def hash_images(pixels: Pixels) -> Hashes:
    """Compute one hash per image."""
    parts = [_hash(pixels[start : start + ROWS_AT_ONCE]) for start in _starts(len(pixels))]
    return np.concatenate(parts) if parts else np.array([], dtype=np.uint64)


def _starts(count: int) -> range:
    return range(0, count, ROWS_AT_ONCE)


def _hash(pixels: Pixels) -> Hashes:
    brightness = pixels.astype(np.float32) @ LUMA  # (n, S, S)
    transform = (_cosines() @ _averages(pixels.shape[1])).astype(np.float32)  # (8, S)
    frequencies = (transform @ brightness @ transform.T).reshape(len(pixels), -1)
    is_high = frequencies > np.median(frequencies, axis=1, keepdims=True)
    return np.packbits(is_high, axis=1).view(np.uint64)[:, 0]


def _cosines() -> NDArray[np.float64]:
    """Return frequencies 1 to 8 of the DCT-II over GRID points, not normalised."""
    points = (np.arange(GRID) + 0.5) * np.pi / GRID
    return np.asarray(np.cos(np.arange(1, FREQUENCIES + 1)[:, None] * points))


def _averages(size: int) -> NDArray[np.float64]:
    """Return weights (GRID, size) that average a line of pixels over GRID equal intervals."""
    borders = np.arange(GRID + 1) * size / GRID
    pixels = np.arange(size)
    end = np.minimum(borders[1:, None], pixels + 1)
    start = np.maximum(borders[:-1, None], pixels)
    return np.asarray(np.maximum(end - start, 0) * GRID / size)
