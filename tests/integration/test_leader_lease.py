"""The lease of the leading sampler in a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from services.sampler.leadership import LEAD, LeaderLease
from tests.support.leader_lease_contract import LeaderLeaseContract


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def lease(redis: Redis) -> LeaderLease:
    return LeaderLease(redis)


class TestLeaderLease(LeaderLeaseContract):
    pass


async def test_a_damaged_lease_counts_as_none(redis: Redis, lease: LeaderLease) -> None:
    await redis.set(LEAD, b"\xff")
    assert await lease.claim("first", 60) == ("first", "")
