"""Perceptual hashes: 64 bits that hardly change when a photo is re-encoded, resized or brightened.

pHash as in C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010),
section 3.2.1: the signs, about their median, of 8 x 8 low frequencies of the discrete cosine
transform of the brightness at 32 x 32 pixels. The constant row and column are left out, since they
are similar in all street photos: sky above road.
"""

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]  # N x S x S x 3
Hashes = NDArray[np.uint64]  # (N,)
Rows = NDArray[np.int64]

HASH_VERSION = 1  # another one discards recorded hashes
GRID = 32
FREQUENCIES = 8
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601
BITS = FREQUENCIES**2
ROWS_AT_ONCE = 512
WHOLE_BANDS = 2  # of bits, in which near hashes agree


def hash_images(pixels: Pixels) -> Hashes:
    """Compute one hash per image."""
    parts = [_hash(pixels[start : start + ROWS_AT_ONCE]) for start in _starts(len(pixels))]
    return np.concatenate(parts) if parts else np.array([], dtype=np.uint64)


def near_links(hashes: Hashes, max_bits: int) -> Rows:
    """Return pairs of rows, shape (P, 2), whose chains join all rows that differ in few bits.

    Rows of different hashes within max_bits of each other are joined by their first rows, and rows
    of the same hash in a chain, since all pairs of a thousand blank photos would be half a million.
    """
    some, first = np.unique(hashes, return_index=True)
    one, other = near_pairs(some, some, max_bits)
    near = np.unique(np.stack([first[one], first[other]], axis=1)[one < other], axis=0)
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    chains = np.stack([order[:-1], order[1:]], axis=1)[same]
    return np.concatenate([near, chains]).astype(np.int64)


def near_pairs(hashes: Hashes, others: Hashes, max_bits: int) -> tuple[Rows, Rows]:
    """Return all pairs of rows that differ in at most max_bits; some may occur twice.

    Of max_bits + 2 bands of bits, at least two are unchanged then: only rows that agree in two
    whole bands are compared. So the time hardly grows with the pairs, up to millions of rows for 4
    bits and ten thousands for 8.
    """
    found = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for bands in combinations(_bands(max_bits + WHOLE_BANDS), WHOLE_BANDS):
        mask = np.bitwise_or.reduce(bands)
        one, other = _equal(hashes & mask, others & mask)
        near = np.bitwise_count(hashes[one] ^ others[other]) <= max_bits
        found.append((one[near], other[near]))
    ones, twos = zip(*found, strict=True)
    return np.concatenate(ones), np.concatenate(twos)


def _bands(count: int) -> list[np.uint64]:
    """Return masks that divide the bits of a hash."""
    borders = [BITS * band // count for band in range(count + 1)]
    return [np.uint64(2**high - 2**low) for low, high in pairwise(borders)]


def _equal(keys: Hashes, others: Hashes) -> tuple[Rows, Rows]:
    """Return all pairs of rows with equal keys."""
    order = np.argsort(others, kind="stable")
    start = np.searchsorted(others[order], keys, side="left")
    counts = np.searchsorted(others[order], keys, side="right") - start
    one = np.repeat(np.arange(len(keys)), counts)
    offsets = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    return one, order[np.repeat(start, counts) + offsets]


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
