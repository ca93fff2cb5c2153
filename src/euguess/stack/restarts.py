"""When a server that ended is started again: soon at first, later if it keeps ending."""

from collections import deque
from dataclasses import dataclass, field

WINDOW_SECONDS = 300.0  # a server that lived this long starts afresh
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 60.0
LOOP_ENDS = 5  # ends within the window that make a crash loop


@dataclass
class Restarts:
    """The recent ends of one server. Times are seconds of a clock that only grows."""

    first_delay_seconds: float = FIRST_DELAY_SECONDS
    _ends: deque[float] = field(default_factory=deque)

    def delay_after_end(self, now: float) -> float:
        """Record an end and return the seconds to wait: twice as long after each recent end."""
        self._forget(now)
        self._ends.append(now)
        return min(MAX_DELAY_SECONDS, self.first_delay_seconds * 2.0 ** (len(self._ends) - 1))

    def ends(self, now: float) -> int:
        """Return the number of recent ends."""
        self._forget(now)
        return len(self._ends)

    def is_looping(self, now: float) -> bool:
        """Return True if the server keeps ending."""
        return self.ends(now) >= LOOP_ENDS

    def _forget(self, now: float) -> None:
        while self._ends and now - self._ends[0] > WINDOW_SECONDS:
            self._ends.popleft()
