"""Provider calls: rate limited, retried while that can help, stopped when the provider refuses."""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from euguess.errors import EUGuessError
from services.fetcher.providers import ProviderError
from services.fetcher.ratelimit import RateLimit
from services.fetcher.retry import RetryAction, RetryDecision, decide

CALLS_IN_FLIGHT = 64  # over all slots of a message; more gained nothing at 50 ms latency

Result = TypeVar("Result")


class CallFailed(EUGuessError):
    """A provider call failed for good. The subclass determines what happens to the slot."""


class CandidateUnusable(CallFailed):
    """The candidate has no usable imagery; the next one may."""


class TransientFailure(CallFailed):
    """The provider has a temporary problem; a later attempt at the slot may succeed."""


class PermanentFailure(CallFailed):
    """No further attempt at the slot can succeed."""


class ProviderRefused(CallFailed):
    """The provider refuses all calls, for `pause_seconds` or (None) until someone fixes it."""

    def __init__(self, message: str, pause_seconds: float | None) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class ProviderPaused(EUGuessError):
    """Calls to the provider are paused."""


class CircuitBreaker:
    """Lets calls pass until the provider refuses one.

    Until the first success, calls are made one at a time: a wrong key costs one call, not 64.
    """

    def __init__(self) -> None:
        self._is_proven = False
        self._is_open = False
        self._probe = asyncio.Lock()

    def close(self) -> None:
        """Let calls pass again, after a pause has ended."""
        if self._is_open:
            self._is_open = self._is_proven = False

    def open(self) -> None:
        """Stop all calls from now on."""
        self._is_open = True

    @contextlib.asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """Run one call. Raises ProviderPaused while the circuit is open."""
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
        self.circuit = CircuitBreaker()
        self._in_flight = asyncio.Semaphore(CALLS_IN_FLIGHT)
        self._rate_limit = rate_limit
        self._chance = chance

    async def make(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Return the result of a call.

        Raises a CallFailed, or ProviderPaused after the provider refused another call.
        """
        started, attempt = time.monotonic(), 0
        while True:
            attempt += 1
            try:
                async with self._in_flight, self.circuit.guard():
                    await self._rate_limit.wait()
                    return await call()
            except ProviderError as error:
                elapsed = time.monotonic() - started
                decision = decide(error, attempt, elapsed, self._chance.random())
                if decision.action is not RetryAction.RETRY_CALL:
                    raise self._failure(str(error), decision) from None
                await asyncio.sleep(decision.seconds or 0)

    def _failure(self, message: str, decision: RetryDecision) -> CallFailed:
        match decision.action:
            case RetryAction.PAUSE_PROVIDER:
                self.circuit.open()
                return ProviderRefused(message, decision.seconds)
            case RetryAction.SKIP_CANDIDATE:
                return CandidateUnusable(message)
            case RetryAction.FAIL_SLOT:
                return PermanentFailure(message)
            case _:
                return TransientFailure(message)
