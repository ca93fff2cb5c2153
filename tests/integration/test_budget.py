"""Budgets against a real Redis: exact with parallel fetchers and after data loss."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from redis.asyncio import Redis

from euguess.collection.budget import BudgetLedger, BudgetSpent, Sum
from euguess.collection.redis_connection import open_redis
from euguess.messages.collection import Budget
from tests.support.ledger_contract import VIEWS, BudgetContract, is_reserved, opened


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with open_redis(redis_url) as redis:
        yield redis


@pytest.fixture
def accounts(redis: Redis) -> BudgetLedger:
    return BudgetLedger(redis)


class TestBudgetLedger(BudgetContract):
    pass


async def test_scripts_that_redis_has_lost_are_sent_again(
    redis: Redis, accounts: BudgetLedger
) -> None:
    await opened(accounts, Budget(images=100))
    for _ in range(2):
        grant = await accounts.reserve("demo", VIEWS)
        await accounts.release("demo", grant, Sum(1))
        await redis.script_flush()
    assert await accounts.spent("demo") == Sum(4, 2 * VIEWS.micros)


async def take_all(url: str) -> int:
    async with open_redis(url) as redis:
        accounts = BudgetLedger(redis)
        taken = await asyncio.gather(*[is_reserved(accounts) for _ in range(100)])
    return sum(taken)


def take_all_in_a_process(url: str) -> int:
    return asyncio.run(take_all(url))


async def test_parallel_processes_use_a_budget_to_its_last_place(
    redis_url: str, accounts: BudgetLedger
) -> None:
    await opened(accounts, Budget(images=500))
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        loop = asyncio.get_running_loop()
        calls = [loop.run_in_executor(pool, take_all_in_a_process, redis_url) for _ in range(4)]
        taken = await asyncio.gather(*calls)
    assert sum(taken) == 166
    assert await accounts.spent("demo") == Sum(498, 498 * 7000)


@pytest.mark.parametrize("seed", range(5))
async def test_no_interleaving_of_buyers_exceeds_the_cap(accounts: BudgetLedger, seed: int) -> None:
    chance, bought = random.Random(seed), Counter[str]()
    await opened(accounts, Budget(images=60))

    async def buy() -> None:
        size = chance.randint(1, 5)
        try:
            grant = await accounts.reserve("demo", Sum(size))
        except BudgetSpent:
            return
        await asyncio.sleep(chance.random() / 100)
        used = chance.randint(0, size)
        bought["images"] += used
        await accounts.release("demo", grant, Sum(size - used))

    for _ in range(4):
        await asyncio.gather(*[buy() for _ in range(30)])
        assert bought["images"] <= 60
    assert await accounts.spent("demo") == Sum(bought["images"])
    while await is_reserved(accounts, Sum(1)):
        bought["images"] += 1
    assert bought["images"] == 60


async def test_nothing_is_spent_from_a_lost_account_until_it_is_reopened(
    redis: Redis, accounts: BudgetLedger
) -> None:
    await opened(accounts, None)
    grant = await accounts.reserve("demo", VIEWS)
    await redis.flushall()
    assert not await accounts.holds("demo", grant)
    assert not await is_reserved(accounts)
    await opened(accounts, Budget(images=6), spent=VIEWS)
    await accounts.release("demo", grant, VIEWS)  # refers to the lost account, so it is void
    assert await accounts.spent("demo") == VIEWS
    assert [await is_reserved(accounts) for _ in range(2)] == [True, False]


async def test_an_account_opened_on_another_server_process_is_closed(
    redis: Redis, accounts: BudgetLedger
) -> None:
    await opened(accounts, None)
    await redis.hset("euguess:budget:demo", "run", "of-before-the-restart")
    assert await accounts.spent("demo") is None
    assert not await is_reserved(accounts)
