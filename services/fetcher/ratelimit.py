"""A rate limit that all workers share: the generic cell rate algorithm (ITU-T I.371) in Redis."""

import asyncio

from redis.asyncio import Redis

BURST_SECONDS = 0.2  # how much of the rate may be used at once

# The key holds the time in microseconds at which the next call conforms.
_TAKE = (
    "local t = redis.call('TIME'); local now = t[1] * 1000000 + t[2] "
    "local due = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now) "
    "redis.call('SET', KEYS[1], string.format('%.0f', due + ARGV[1]), 'PX', 60000) "
    "return math.max(0, due - now - ARGV[2])"
)


class RateLimit:
    """At most `per_second` calls a second over all processes; None lets all pass."""

    def __init__(self, redis: Redis, provider: str, per_second: float | None) -> None:
        self._redis = redis
        self._key = f"euguess:rate:{provider}"
        self._per_second = per_second

    async def wait(self) -> None:
        """Return when the next call may be made."""
        if self._per_second is None:
            return
        interval = int(1e6 / self._per_second)
        microseconds = await self._redis.eval(
            _TAKE, 1, self._key, interval, int(BURST_SECONDS * 1e6)
        )
        if microseconds:
            await asyncio.sleep(int(microseconds) / 1e6)
