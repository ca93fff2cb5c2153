"""Calls to a provider: bounded, retried, stopped when refused."""

import asyncio
from random import Random

import pytest
from redis.asyncio import Redis

from services.fetcher.calls import (
    CALLS_IN_FLIGHT,
    CallFailed,
    Calls,
    ProviderPaused,
    TransientFailure,
)
from services.fetcher.providers import AccessDenied, ImageryGone, TransientError
from services.fetcher.ratelimit import RateLimit
from services.fetcher.retry import MAX_ATTEMPTS
from tests.support.fetcher_fakes import Bench


@pytest.fixture
def calls() -> Calls:
    return Bench(store=None).calls  # type: ignore[arg-type] # calls need no store


class Service:
    """Raises the given errors in turn, then answers."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.calls = self.at_once = self.most_at_once = 0

    async def __call__(self) -> str:
        self.calls += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0.001)
        self.at_once -= 1
        if self.troubles:
            raise self.troubles.pop(0)
        return "answer"


async def test_a_temporary_error_is_retried(calls: Calls) -> None:
    service = Service(TransientError("HTTP 500"), TransientError("HTTP 503"))
    assert await calls.make(service) == "answer"
    assert service.calls == 3


async def test_a_persistent_error_ends_the_call_after_a_few_attempts(calls: Calls) -> None:
    service = Service(*[TransientError("HTTP 500")] * 10)
    with pytest.raises(TransientFailure):
        await calls.make(service)
    assert service.calls == MAX_ATTEMPTS


async def test_a_refusal_costs_one_call_however_many_are_waiting(calls: Calls) -> None:
    service = Service(*[AccessDenied()] * 100)
    ended = await asyncio.gather(*[calls.make(service) for _ in range(50)], return_exceptions=True)
    assert service.calls == 1
    assert sorted({type(end).__name__ for end in ended}) == ["ProviderPaused", "ProviderRefused"]


async def test_calls_resume_after_a_pause(calls: Calls) -> None:
    with pytest.raises(CallFailed):
        await calls.make(Service(AccessDenied()))
    with pytest.raises(ProviderPaused):
        await calls.make(Service())
    calls.circuit.close()
    assert await calls.make(Service()) == "answer"


async def test_no_more_than_the_limit_are_in_flight(calls: Calls) -> None:
    service = Service()
    await calls.make(service)  # the first call is made alone
    await asyncio.gather(*[calls.make(service) for _ in range(3 * CALLS_IN_FLIGHT)])
    assert service.most_at_once == CALLS_IN_FLIGHT


async def test_an_error_with_one_panorama_does_not_stop_the_others(calls: Calls) -> None:
    with pytest.raises(CallFailed):
        await calls.make(Service(ImageryGone()))
    assert await calls.make(Service()) == "answer"


async def test_without_a_rate_limit_redis_is_not_called() -> None:
    calls = Calls(RateLimit(Redis(port=1), "simulator", None), chance=Random(0))
    assert await calls.make(Service()) == "answer"
