"""One sampler leads, by a lease in Redis; the others stand by until it expires."""

import os
import secrets
import socket
import time
from collections.abc import Callable

from redis.asyncio import Redis

from euguess.collection.redis_connection import load_script

LEAD = "euguess:sampler"
LEASE_SECONDS = 5.0


class LeaderLease:
    """The lease in Redis. Redis errors pass through."""

    def __init__(self, redis: Redis) -> None:
        self._claim = load_script(redis, "services.sampler", "claim")
        self._release = load_script(redis, "services.sampler", "release")

    async def claim(self, sampler: str, seconds: float) -> tuple[str, str]:
        """Take or renew the lead unless another sampler has it.

        Returns the sampler that leads now and the one that led before, "" if that is unknown.
        """
        leader, before = await self._claim(keys=[LEAD], args=[sampler, int(seconds * 1000)])
        return leader.decode(), before.decode()

    async def release(self, sampler: str) -> None:
        """Give up the lead, if this sampler has it."""
        await self._release(keys=[LEAD], args=[sampler])


class Leadership:
    """Whether this sampler leads. `term` grows whenever another one may have led in between."""

    def __init__(
        self, lease: LeaderLease, sampler: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.sampler = sampler
        self.leader: str | None = None
        self.term = 0
        self._lease = lease
        self._clock = clock
        self._expires_at = -float("inf")

    @property
    def is_held(self) -> bool:
        """True if this sampler leads. Also false if it could not renew its lease in time."""
        return self.leader == self.sampler and self._clock() < self._expires_at

    async def claim(self) -> None:
        """Take or renew the lead. Raises Redis's errors."""
        expires_at = self._clock() + LEASE_SECONDS  # counted from before the request
        leader, before = await self._lease.claim(self.sampler, LEASE_SECONDS)
        has_led = self.leader == self.sampler
        if leader == self.sampler and not (has_led and before in (self.sampler, "")):
            self.term += 1
        self.leader, self._expires_at = leader, expires_at

    async def release(self) -> None:
        """Let the next sampler lead at once. Raises Redis's errors."""
        if self.leader == self.sampler:
            await self._lease.release(self.sampler)


def sampler_name() -> str:
    """Return a unique name of this process that tells an operator where it runs."""
    return f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(4)}"
