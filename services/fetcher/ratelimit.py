"""A rate limit shared by all workers: the generic cell rate algorithm (ITU-T I.371) in Redis."""

import asyncio

from redis.asyncio import Redis

from euguess.collection.redis_connection import load_script

BURST_SECONDS = 0.2  # how much of the rate may be used at once


class RateLimit:
    """At most `per_second` calls a second over all processes; None means no limit."""

    def __init__(self, redis: Redis, provider: str, per_second: float | None) -> None:
        self._key = f"euguess:rate:{provider}"
        self._per_second = per_second
        self._take = load_script(redis, "services.fetcher", "ratelimit")

    async def wait(self) -> None:
        """Wait until the next call is allowed."""
        if self._per_second is None:
            return
        interval = int(1e6 / self._per_second)
        microseconds = await self._take(keys=[self._key], args=[interval, int(BURST_SECONDS * 1e6)])
        if microseconds:
            await asyncio.sleep(int(microseconds) / 1e6)
