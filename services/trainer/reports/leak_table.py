"""Leaking pairs as a table for people."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table

from euguess.training.report import LeakingPair

SHOWN_PAIRS = 5  # of each kind


def leaks_table(leaks: Mapping[str, int], pairs: Sequence[LeakingPair]) -> Table:
    """Some pairs of each kind, and how many tested views there are in all."""
    counts = ", ".join(f"{kind} {count}" for kind, count in leaks.items())
    table = Table(
        title="LEAKY: tested views that training has seen the like of",
        caption=f"Tested views by what they share: {counts}",
    )
    for name in ("shared", "tested view", "trained on", "km apart", "bits"):
        table.add_column(name, justify="right" if name in ("km apart", "bits") else "left")
    for pair in _first_of_each_kind(pairs):
        table.add_row(
            pair.kind,
            f"{pair.test_location} {pair.test_heading:g}°",
            f"{pair.train_location} {pair.train_heading:g}°",
            "" if pair.distance_km is None else f"{pair.distance_km:.3f}",
            "" if pair.bits is None else str(pair.bits),
        )
    return table


def _first_of_each_kind(pairs: Sequence[LeakingPair]) -> Iterator[LeakingPair]:
    shown: Counter[str] = Counter()
    for pair in pairs:
        shown[pair.kind] += 1
        if shown[pair.kind] <= SHOWN_PAIRS:
            yield pair
