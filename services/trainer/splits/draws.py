"""Draws of groups by a stable hash: they depend on the seed and the group's own members only."""

import hashlib

import numpy as np

from services.trainer.dataset.view_index import Floats, Rows, Strings

DIGEST_BYTES = 16  # 8 choose the member that stands for its group, 8 give its draw
MANTISSA_BITS = 53


def group_draws(names: Strings, groups: Rows, seed: int) -> Floats:
    """Return a uniform number in [0, 1) for each group 0, 1, ...

    The member whose hash is the smallest stands for its group, so other groups, and members that
    come or go without being the smallest, change nothing.
    """
    digests = b"".join(_digest(f"{seed} {name}") for name in names)
    ranks, draws = np.frombuffer(digests, dtype=">u8").reshape(-1, 2).T
    order = np.lexsort((ranks, groups))
    first = np.flatnonzero(np.diff(groups[order], prepend=-1))
    chosen = draws[order[first]].astype(np.uint64) >> np.uint64(64 - MANTISSA_BITS)
    return np.asarray(chosen / 2.0**MANTISSA_BITS)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()[:DIGEST_BYTES]
