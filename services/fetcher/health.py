"""Health of a fetcher: it must make progress, not just be alive."""

import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from euguess.messages.queues import Queue
from euguess.process.heartbeat import SILENT_SECONDS, Heartbeat
from services.fetcher.tasks import TASK_SECONDS

STALLED_SECONDS = TASK_SECONDS + 60.0  # longer than the time limit of a message
START_SECONDS = 60.0  # for the imports and first connections, on a busy machine


class FetcherHealth:
    """Heartbeats of the worker, and the check that reads them."""

    def __init__(self, home: Path) -> None:
        self.alive = Heartbeat(home / "fetcher" / "alive")
        self.progress = Heartbeat(home / "fetcher" / "progress")

    def problem(self, redis: Redis) -> str | None:
        """Return the problem, or None if the worker is healthy."""
        if self.alive.is_silent:
            return "the worker has no heartbeat"
        try:
            queued = int(redis.llen(Queue.FETCH))
        except RedisError as error:
            return f"Redis does not answer ({type(error).__name__})"
        if queued and self.progress.age_seconds > STALLED_SECONDS:
            return f"{queued} messages queued, but none finished for {STALLED_SECONDS:g} seconds"
        return None


class StallDetector:
    """Tells whether a worker has to be replaced.

    Unlike the health check, it blames the worker only for time in which Redis answered and, for
    progress, in which messages were queued. `clock` returns seconds that only grow.
    """

    def __init__(
        self, health: FetcherHealth, redis: Redis, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._health = health
        self._redis = redis
        self._clock = clock
        self._excused_until = self._idle_until = clock() + START_SECONDS

    def problem(self) -> str | None:
        """Return why the worker has to be replaced, or None."""
        self._observe_queue()
        if self._elapsed(self._health.alive, self._excused_until) > SILENT_SECONDS:
            return f"no heartbeat for {SILENT_SECONDS:g} seconds"
        if self._elapsed(self._health.progress, self._idle_until) > STALLED_SECONDS:
            return f"messages are queued, but none finished for {STALLED_SECONDS:g} seconds"
        return None

    def _observe_queue(self) -> None:
        now = self._clock()
        try:
            is_idle = not self._redis.llen(Queue.FETCH)
        except RedisError:
            is_idle = True
            self._excused_until = max(self._excused_until, now)
        if is_idle:
            self._idle_until = max(self._idle_until, now)

    def _elapsed(self, heartbeat: Heartbeat, since: float) -> float:
        """Return the seconds without a heartbeat, not counting the time before `since`."""
        return min(heartbeat.age_seconds, self._clock() - since)
