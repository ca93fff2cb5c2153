"""The rate of a collection, from counts observed at successive times."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0


@dataclass
class CollectionRate:
    """Counts of finished slots over the last minute, by dataset."""

    _counts: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def add(self, dataset: str, at_seconds: float, done: int) -> None:
        """Add a count; a lower one than before starts over (the dataset was created again)."""
        counts = self._counts.setdefault(dataset, deque())
        if counts and done < counts[-1][1]:
            counts.clear()
        counts.append((at_seconds, done))
        while at_seconds - counts[0][0] > WINDOW_SECONDS:
            counts.popleft()

    def per_second(self, dataset: str) -> float | None:
        """Return slots per second over the last minute; None before the second count."""
        counts = self._counts.get(dataset)
        if not counts or counts[-1][0] <= counts[0][0]:
            return None
        (start, before), (end, after) = counts[0], counts[-1]
        return (after - before) / (end - start)
