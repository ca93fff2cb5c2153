"""How fast collections go, from counts seen at successive moments."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 60.0


@dataclass
class Pace:
    """Slots that were done at moments of the last minute, by dataset."""

    _seen: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def note(self, dataset: str, at_seconds: float, done: int) -> None:
        """Remember a count; one that went down starts anew (the dataset was made again)."""
        seen = self._seen.setdefault(dataset, deque())
        if seen and done < seen[-1][1]:
            seen.clear()
        seen.append((at_seconds, done))
        while at_seconds - seen[0][0] > WINDOW_SECONDS:
            seen.popleft()

    def per_second(self, dataset: str) -> float | None:
        """Slots per second over the last minute; None before there are two moments."""
        seen = self._seen.get(dataset)
        if not seen or seen[-1][0] <= seen[0][0]:
            return None
        (start, before), (end, after) = seen[0], seen[-1]
        return (after - before) / (end - start)
