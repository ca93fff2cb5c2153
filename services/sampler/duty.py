"""The duty of the leading sampler: restore the collections, then collect until it is relieved."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from euguess.errors import EUGuessError
from services.sampler.leadership import Leadership
from services.sampler.outages import is_outage

logger = logging.getLogger(__name__)

CLAIM_SECONDS = 1.0  # between two claims; the lease lasts five times as long


class StandingBy(EUGuessError):
    """Another sampler leads."""


class Duty:
    """Does the leader's work while this sampler leads, and stands by otherwise.

    `restore` loads all collections, `collect` runs for ever, `drop` forgets the collections.
    """

    def __init__(
        self,
        leadership: Leadership,
        *,
        restore: Callable[[], Awaitable[None]],
        collect: Callable[[], Awaitable[None]],
        drop: Callable[[], None],
    ) -> None:
        self._leadership = leadership
        self._restore = restore
        self._collect = collect
        self._drop = drop
        self._task: asyncio.Task[None] | None = None
        self._term = 0  # of the leadership that the work belongs to
        self._is_restored = False

    # --- for the HTTP interface ---

    @property
    def is_leader(self) -> bool:
        """True if this sampler leads and has restored its collections."""
        return self._leads and self._is_restored

    def why_not(self) -> str | None:
        """Return why this sampler does not collect for now; None if it does."""
        if self.is_leader:
            return None
        if self._leads:
            return "takes over: the collections are being read from the store"
        return f"stands by: {self._leadership.leader} leads"

    def check(self) -> None:
        """Raise StandingBy if this sampler accepts no changes for now."""
        reason = self.why_not()
        if reason is not None:
            raise StandingBy(
                f"This sampler {reason}. Nothing was changed. Send the request to the sampler "
                "that leads, or try again in a few seconds."
            )

    @property
    def _leads(self) -> bool:
        return self._leadership.leader == self._leadership.sampler

    # --- the work ---

    async def begin(self) -> None:
        """Claim the lead. If this sampler has it, restore its collections before it serves.

        Raises StoreError or Redis's errors.
        """
        await self._leadership.claim()
        if not self._leadership.is_held:
            logger.warning("this sampler %s", self.why_not(), extra={"action": "stand_by"})
            return
        self._term = self._leadership.term
        restoring = asyncio.ensure_future(self._restore())
        while not (await asyncio.wait([restoring], timeout=CLAIM_SECONDS))[0]:
            await self._leadership.claim()
        await restoring
        self._is_restored = True

    async def run(self) -> None:
        """Claim the lead again and again; start and end the work accordingly. Ends cancelled."""
        while True:
            await self.turn()
            await asyncio.sleep(CLAIM_SECONDS)
            with contextlib.suppress(RedisError):
                await self._leadership.claim()

    async def end(self) -> None:
        """End the work and give up the lead."""
        await self._relieve()
        with contextlib.suppress(RedisError):
            await self._leadership.release()

    async def turn(self) -> None:
        """Start or end the work according to the last claim."""
        is_new_term = self._term != self._leadership.term
        if self._term and (is_new_term or not self._leads):
            await self._relieve()
            logger.warning("this sampler %s", self.why_not(), extra={"action": "stand_by"})
        if self._leads and self._task is None:
            self._term = self._leadership.term
            self._task = asyncio.create_task(self._work())

    async def _relieve(self) -> None:
        if self._task is not None:
            await end_task(self._task)
        self._task, self._term, self._is_restored = None, 0, False
        self._drop()

    async def _work(self) -> None:
        while not self._is_restored:
            try:
                await self._restore()
                self._is_restored = True
                logger.info("this sampler leads", extra={"action": "leads"})
            except Exception as error:
                # Whatever it is, another attempt is better than a leader that does nothing.
                kind = type(error).__name__
                logger.warning(
                    "taking over is waiting: %s",
                    kind,
                    exc_info=not is_outage(error),
                    extra={"action": "wait"},
                )
                self._drop()
                await asyncio.sleep(CLAIM_SECONDS)
        await self._collect()


async def end_task(task: asyncio.Task[None]) -> None:
    """Cancel until it has ended: before Python 3.12 `asyncio.wait_for`, which redis-py uses to
    send, can swallow a cancellation."""
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1)
