"""The lease of one slot while a message is processed."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from euguess.collection.ledger import Ledger
from euguess.errors import EUGuessError
from euguess.messages.collection import SlotRequest

RENEWALS_PER_LEASE = 3
FRESH_SECONDS = 0.05  # about as long as a call is on its way, when it cannot be recalled either


class LeaseLost(EUGuessError):
    """A newer publication, or another delivery of the message, has the slot."""


@dataclass(slots=True)
class SlotLease:
    """The lease of a slot that was begun; `owner` names the delivery of the message.

    Once it is lost, nothing more may be bought for the slot.
    """

    ledger: Ledger
    dataset: str
    request: SlotRequest
    owner: str
    seconds: float
    is_lost: bool = False
    clock: Callable[[], float] = time.monotonic
    _asked_at: float = -math.inf
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    def check(self) -> None:
        """Raise LeaseLost if a renewal has failed."""
        if self.is_lost:
            raise LeaseLost

    async def renew(self) -> None:
        """Renew the lease. Raises LeaseLost or Redis's errors.

        An answer that a suspended process reads after the lease has expired does not count.
        """
        slot, fence = self.request.slot, self.request.fence
        is_late = True
        while is_late:
            self.check()
            self._asked_at = asked_at = self.clock()
            is_ours = await self.ledger.renew(self.dataset, slot, fence, self.owner, self.seconds)
            self.is_lost = not is_ours
            is_late = self.clock() - asked_at >= self.seconds
        self.check()

    async def confirm(self) -> None:
        """Renew the lease before a purchase; those of a moment share one renewal.

        Raises LeaseLost or Redis's errors.
        """
        async with self._turn:
            if self.clock() - self._asked_at >= FRESH_SECONDS:
                await self.renew()
        self.check()

    @contextlib.asynccontextmanager
    async def kept(self) -> AsyncIterator[None]:
        """Renew the lease regularly while the body runs."""
        ended = asyncio.Event()
        renewals = asyncio.create_task(self._renew_until(ended))
        try:
            yield
        finally:
            ended.set()
            await renewals

    async def _renew_until(self, ended: asyncio.Event) -> None:
        """Ended by the event, not by cancelling: before Python 3.12 `asyncio.wait_for`, which
        redis-py uses to send, can swallow a cancellation, and the lease would never end."""
        while not self.is_lost and not await _happens(ended, self.seconds / RENEWALS_PER_LEASE):
            with contextlib.suppress(RedisError, LeaseLost):
                await self.renew()


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event with a timeout; return whether it happened."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()
