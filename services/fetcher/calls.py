"""Calls to a provider: paced, repeated where that helps, paused where it does not."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from euguess.errors import EUGuessError
from services.fetcher.providers import ProviderTrouble
from services.fetcher.ratelimit import RateLimit
from services.fetcher.retry import RetryDecision, Step, decide

CALLS_IN_FLIGHT = 64  # over all slots of a message; more gained nothing at 50 ms latency

Result = TypeVar("Result")


class GivenUp(EUGuessError):
    """A call did not succeed, whatever was tried."""

    def __init__(self, trouble: ProviderTrouble, decision: RetryDecision) -> None:
        super().__init__(str(trouble))
        self.decision = decision


class ProviderPaused(EUGuessError):
    """Calls to the provider are paused."""


class Circuit:
    """Lets calls pass until the provider refuses.

    Until it has answered once, one call goes at a time: a wrong key costs one call, not 64.
    """

    def __init__(self) -> None:
        self._is_proven = False
        self._is_open = False
        self._probe = asyncio.Lock()

    def close(self) -> None:
        """Try again after a pause."""
        if self._is_open:
            self._is_open = self._is_proven = False

    def open(self) -> None:
        """Stop all calls from now on."""
        self._is_open = True

    @contextlib.asynccontextmanager
    async def passage(self) -> AsyncIterator[None]:
        """Raises ProviderPaused."""
        self._check()
        if not self._is_proven:
            async with self._probe:
                self._check()
                if not self._is_proven:
                    yield
                    self._is_proven = True
                    return
        yield

    def _check(self) -> None:
        if self._is_open:
            raise ProviderPaused


class Calls:
    """Makes calls with a bounded number in flight, a shared rate limit and retries."""

    def __init__(self, rate_limit: RateLimit, *, chance: random.Random) -> None:
        self.circuit = Circuit()
        self._gate = asyncio.Semaphore(CALLS_IN_FLIGHT)
        self._rate_limit = rate_limit
        self._chance = chance

    async def make(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """The result of a call.

        Raises GivenUp with the step that comes next, or ProviderPaused after another was refused.
        """
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                async with self._gate, self.circuit.passage():
                    await self._rate_limit.wait()
                    return await call()
            except ProviderTrouble as trouble:
                elapsed = time.monotonic() - started
                decision = decide(trouble, attempt, elapsed, self._chance.random())
                if decision.step is Step.PAUSE_PROVIDER:
                    self.circuit.open()
                if decision.step is not Step.REPEAT:
                    raise GivenUp(trouble, decision) from None
                await asyncio.sleep(decision.seconds or 0)
