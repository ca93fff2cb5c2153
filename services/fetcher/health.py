"""Health of a fetcher: it must make progress, not just be alive."""

from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from euguess.messages.queues import Queue
from euguess.process.heartbeat import Heartbeat
from services.fetcher.tasks import TASK_SECONDS

STALLED_SECONDS = TASK_SECONDS + 60.0  # longer than the time limit of a message


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
