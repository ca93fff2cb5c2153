"""Number of Redis round trips per slot."""

import random
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import BlockingConnectionPool, Connection, Redis

from euguess.collection.budget import BudgetLedger, Sum
from euguess.collection.layout import spec_key
from euguess.collection.ledger import Ledger
from euguess.messages.collection import Budget, FetchLocations, SlotStatus
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls
from services.fetcher.context import FetchContext
from services.fetcher.message import MessageFetcher
from services.fetcher.ratelimit import RateLimit
from tests.support.fetcher_fakes import SPEC, FakeProvider, request, two_countries


class CountingConnection(Connection):
    """Counts round trips; a pipeline of commands is one."""

    sent = 0
    _is_ready = False

    async def connect(self) -> None:
        await super().connect()  # type: ignore[no-untyped-call] # redis-py does not annotate it
        self._is_ready = True

    async def send_packed_command(self, *args: Any, **options: Any) -> None:
        CountingConnection.sent += self._is_ready  # the handshake does not count
        await super().send_packed_command(*args, **options)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    pool = BlockingConnectionPool.from_url(
        redis_url, max_connections=32, connection_class=CountingConnection
    )
    async with Redis.from_pool(pool) as redis:
        yield redis


@pytest.fixture
async def fetcher(redis: Redis, memory_store: ObjectStore) -> MessageFetcher:
    await memory_store.put(spec_key(SPEC.name), SPEC.model_dump_json().encode())
    ledger, budgets = Ledger(redis), BudgetLedger(redis)
    provider = FakeProvider()
    calls = Calls(RateLimit(redis, provider.name, None), chance=random.Random(0))
    context = FetchContext(provider, calls, memory_store, ledger, budgets, two_countries())
    return MessageFetcher(memory_store, ledger, lambda _: context, 100)


async def open_account(redis: Redis, budget: Budget | None) -> None:
    budgets = BudgetLedger(redis)
    assert await budgets.open(SPEC.name, await budgets.prepare(SPEC.name), Sum(), budget)


async def round_trips(fetcher: MessageFetcher, redis: Redis, first: int, slots: int) -> int:
    """Count the round trips of a message whose slots are all stored with three views."""
    requests = tuple(request(index) for index in range(first, first + slots))
    text = FetchLocations(dataset=SPEC.name, slots=requests).model_dump_json()
    CountingConnection.sent = 0
    await fetcher.fetch(text)
    sent = CountingConnection.sent
    outcomes = await Ledger(redis).outcomes(SPEC.name)
    assert {outcomes[one.slot].status for one in requests} == {SlotStatus.STORED}
    return sent


@pytest.fixture
async def warm(fetcher: MessageFetcher, redis: Redis) -> MessageFetcher:
    """A fetcher whose scripts Redis knows."""
    await open_account(redis, None)
    await round_trips(fetcher, redis, 0, 1)
    return fetcher


@pytest.mark.parametrize("budget", [None, Budget(images=10_000)])
async def test_a_message_makes_two_round_trips_and_each_stored_slot_at_most_seven(
    warm: MessageFetcher, redis: Redis, budget: Budget | None
) -> None:
    """Message: pause and leases. Slot: panorama, budget, account, one to three leases, outcome."""
    await open_account(redis, budget)
    assert 2 + 5 <= await round_trips(warm, redis, 1, 1) <= 2 + 7
    assert 2 + 50 * 5 <= await round_trips(warm, redis, 2, 50) <= 2 + 50 * 7
