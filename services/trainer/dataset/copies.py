"""Find photos that are copies of each other by their perceptual hashes."""

from itertools import combinations, pairwise

import numpy as np
from numpy.typing import NDArray

from euguess.images.perceptual_hash import Hashes
from services.trainer.dataset.view_index import Rows

# Photos whose hashes differ in at most this many of 64 bits count as copies.
# Measured on 1,280 street photos at 64 and 224 px. Of 400 copies, all are found when saved again at
# JPEG quality 40 or at half the size, 90 % at 1.15 times the brightness, and half with 2 % cut off
# an edge. None of 815,808 pairs of different places is closer than 10 bits, and none of 1.8 million
# pairs of simulated places is closer than 7.
MAX_BITS = 4
BANDS = MAX_BITS + 2


def nearest_copies(hashes: Hashes, others: Hashes) -> Rows:
    """Return the row of the nearest of others to each hash if within MAX_BITS, else -1."""
    mine, of_row = np.unique(hashes, return_inverse=True)
    theirs, first = np.unique(others, return_index=True)
    one, other = _near(mine, theirs)
    # The nearest comes first; among equally near ones, the first row.
    order = np.lexsort((first[other], np.bitwise_count(mine[one] ^ theirs[other]), one))
    copied, best = np.unique(one[order], return_index=True)
    found = np.full(len(mine), -1, dtype=np.int64)
    found[copied] = first[other[order[best]]]
    return np.asarray(found[of_row])


def copy_links(hashes: Hashes) -> NDArray[np.int64]:
    """Return pairs of rows, shape (P, 2), whose chains join all copies.

    Rows of different hashes within MAX_BITS of each other are joined by their first rows, and rows
    of the same hash in a chain, since all pairs of a thousand blank photos would be half a million.
    """
    some, first = np.unique(hashes, return_index=True)
    one, other = _near(some, some)
    near = np.stack([first[one], first[other]], axis=1)[one < other]
    order = np.argsort(hashes, kind="stable")
    same = hashes[order][1:] == hashes[order][:-1]
    chains = np.stack([order[:-1], order[1:]], axis=1)[same]
    return np.concatenate([near, chains]).astype(np.int64)


def _near(hashes: Hashes, others: Hashes) -> tuple[Rows, Rows]:
    """Return all pairs of rows within MAX_BITS; some may occur twice.

    Of BANDS bands of bits, MAX_BITS changed bits leave at least two unchanged: only rows that agree
    in two whole bands, some 21 bits, are compared. So the time grows with the rows, not with the
    pairs, up to millions of rows.
    """
    found = [(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))]
    for bands in combinations(_bands(), BANDS - MAX_BITS):
        mask = np.bitwise_or.reduce(bands)
        one, other = _equal(hashes & mask, others & mask)
        near = np.bitwise_count(hashes[one] ^ others[other]) <= MAX_BITS
        found.append((one[near], other[near]))
    ones, twos = zip(*found, strict=True)
    return np.concatenate(ones), np.concatenate(twos)


def _bands() -> list[np.uint64]:
    """Return masks that divide the 64 bits into BANDS bands."""
    borders = [64 * band // BANDS for band in range(BANDS + 1)]
    return [np.uint64(2**high - 2**low) for low, high in pairwise(borders)]


def _equal(keys: Hashes, others: Hashes) -> tuple[Rows, Rows]:
    """Return all pairs of rows with equal keys."""
    order = np.argsort(others, kind="stable")
    start = np.searchsorted(others[order], keys, side="left")
    counts = np.searchsorted(others[order], keys, side="right") - start
    one = np.repeat(np.arange(len(keys)), counts)
    offsets = np.arange(len(one)) - np.repeat(np.cumsum(counts) - counts, counts)
    return one, order[np.repeat(start, counts) + offsets]
