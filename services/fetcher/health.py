"""Whether a fetcher makes progress; a live process alone is no health."""

from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from euguess.messages.queues import Queue
from euguess.process.heartbeat import Heartbeat
from services.fetcher.tasks import TASK_SECONDS

STALLED_SECONDS = TASK_SECONDS + 60.0  # no message takes longer than its time limit


class Health:
    """Signs that the worker leaves, and the check that reads them."""

    def __init__(self, home: Path) -> None:
        self.alive = Heartbeat(home / "fetcher" / "alive")
        self.progress = Heartbeat(home / "fetcher" / "progress")

    def trouble(self, redis: Redis) -> str | None:
        """What is wrong, or None."""
        if self.alive.is_silent:
            return "the worker shows no sign of life"
        try:
            waiting = int(redis.llen(Queue.FETCH))
        except RedisError as error:
            return f"Redis does not answer ({type(error).__name__})"
        if waiting and self.progress.age_seconds > STALLED_SECONDS:
            return f"{waiting} messages wait, and none has ended for {STALLED_SECONDS:g} seconds"
        return None
