"""Claims on queued messages and their delivery counts, kept in Redis.

Celery's Redis transport delivers a message again when its worker has held it for longer than the
visibility timeout. Training may take hours, so the worker keeps renewing its claim. A worker
that dies stops renewing, and the message comes back after the timeout.
"""

import time
from contextlib import AbstractContextManager

from redis import Redis
from redis.exceptions import RedisError

from services.trainer.background import repeated

VISIBILITY_SECONDS = 300
RENEW_SECONDS = 30.0
UNACKED_INDEX = "unacked_index"  # kombu's sorted set of held messages by time of delivery
MAX_DELIVERIES = 3  # after so many lost workers, the message would kill the next one too
REMEMBERED_SECONDS = 7 * 24 * 3600


class RedisDeliveryLog:
    """Claims and delivery counts by delivery tag, which a redelivered message keeps."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    def claimed(
        self, tag: str, *, renew_seconds: float = RENEW_SECONDS
    ) -> AbstractContextManager[None]:
        """Keep the claim on a message while the body runs."""
        return repeated(lambda: self._renew(tag), renew_seconds)

    def count(self, tag: str) -> int:
        """Record a delivery before any work; return its number, from 1."""
        key = f"euguess:train-deliveries:{tag}"
        number = int(self._redis.incr(key))
        self._redis.expire(key, REMEMBERED_SECONDS)
        return number

    def mark_handled(self, tag: str) -> None:
        """Record that a message needs no more work, in case its acknowledgement is lost."""
        self._redis.set(_handled_key(tag), 1, ex=REMEMBERED_SECONDS)

    def is_handled(self, tag: str) -> bool:
        return bool(self._redis.exists(_handled_key(tag)))

    def _renew(self, tag: str) -> None:
        """Renew the claim; if Redis is unavailable, the next call renews it."""
        try:
            self._redis.zadd(UNACKED_INDEX, {tag: time.time()}, xx=True)
        except RedisError:
            return


def _handled_key(tag: str) -> str:
    return f"euguess:train-finished:{tag}"
