"""What Redis knows of a message that a worker holds, so that long trainings survive.

Celery's Redis transport delivers a message again when its worker has held it for longer than the
visibility timeout. A training may take hours, hence the holder renews its claim. A worker that
dies stops renewing, and the message comes back after the timeout.
"""

import time
from contextlib import AbstractContextManager

from redis import Redis
from redis.exceptions import RedisError

from services.trainer.background import repeated

VISIBILITY_SECONDS = 300
RENEW_SECONDS = 30.0
UNACKED_INDEX = "unacked_index"  # kombu's sorted set of held messages by time of delivery
MAX_DELIVERIES = 3  # a message whose worker died so often will kill the next one too
REMEMBERED_SECONDS = 7 * 24 * 3600


class RedisDeliveries:
    """Claims and counts by a message's delivery tag, which stays when it is delivered again."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def held(
        self, tag: str, *, renew_seconds: float = RENEW_SECONDS
    ) -> AbstractContextManager[None]:
        """Keep the claim on a message while the body runs."""
        return repeated(lambda: self._renew(tag), renew_seconds)

    def count(self, tag: str) -> int:
        """Note a delivery before any work; returns which one it is, from 1."""
        key = f"euguess:train-deliveries:{tag}"
        number = int(self._redis.incr(key))
        self._redis.expire(key, REMEMBERED_SECONDS)
        return number

    def finish(self, tag: str) -> None:
        """Note that a message needs no more work, should its acknowledgement be lost."""
        self._redis.set(_finished_key(tag), 1, ex=REMEMBERED_SECONDS)

    def is_finished(self, tag: str) -> bool:
        return bool(self._redis.exists(_finished_key(tag)))

    def _renew(self, tag: str) -> None:
        """A Redis that is away for a moment is asked again at the next turn."""
        try:
            self._redis.zadd(UNACKED_INDEX, {tag: time.time()}, xx=True)
        except RedisError:
            return


def _finished_key(tag: str) -> str:
    return f"euguess:train-finished:{tag}"
