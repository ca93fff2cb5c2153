"""Ids as people read and type them."""

from collections.abc import Iterable
from itertools import pairwise

SHOWN_CHARACTERS = 8


def shortest_starts(ids: Iterable[str]) -> dict[str, str]:
    """Return for each id a start of 8 or more characters that no other of these ids shares."""
    ordered = sorted(ids)
    lengths = dict.fromkeys(ordered, SHOWN_CHARACTERS)
    for first, second in pairwise(ordered):
        shared = _shared(first, second) + 1
        for one in (first, second):
            lengths[one] = max(lengths[one], shared)
    return {one: one[:length] for one, length in lengths.items()}


def _shared(first: str, second: str) -> int:
    """Return the number of characters that both start with."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(first), len(second)))
