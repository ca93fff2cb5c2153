"""What the sampler relies on in the ledger, against a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.ledger import OUTCOME_STREAM, Ledger
from euguess.messages.collection import (
    FetchLocations,
    SlotKey,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.messages.queues import Queue
from services.sampler.publisher import CeleryPublisher

FR0 = SlotKey(country_code="FR", index=0)


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


async def test_a_lease_tells_whether_a_fetcher_has_begun(ledger: Ledger) -> None:
    await ledger.lease("demo", {FR0: 5}, 60)
    assert not (await ledger.leases("demo"))[FR0].begun
    assert await ledger.begin("demo", FR0, 5, 60)
    assert (await ledger.leases("demo"))[FR0].begun
    await ledger.lease("demo", {FR0: 6}, 60)
    assert not (await ledger.leases("demo"))[FR0].begun
    assert not await ledger.begin("demo", FR0, 5, 60)


async def test_an_outcome_that_does_not_validate_is_a_dead_letter(
    redis: Redis, ledger: Ledger
) -> None:
    await redis.xadd(OUTCOME_STREAM, {"outcome": '{"status": "lost"}'})
    await redis.xadd(OUTCOME_STREAM, {"other": "field"})
    good = SlotOutcome(
        dataset="demo", slot=FR0, fence=1, status=SlotStatus.RETRY, finished_at=utc_now()
    )
    await ledger.record(good)
    events = await ledger.events("0-0", block_ms=1)
    assert [outcome for _, outcome in events] == [None, None, good]
    assert await ledger.dead_letter_count() == 2
    letters = await ledger.dead_letters()
    assert [letter.payload for letter in letters] == ["", '{"status": "lost"}']
    assert await ledger.events(events[-1][0], block_ms=1) == []


async def test_outcomes_announced_and_kept_by_version_0_1_are_read(
    redis: Redis, ledger: Ledger
) -> None:
    outcome = SlotOutcome(
        dataset="demo", slot=FR0, fence=7, status=SlotStatus.STORED, finished_at=utc_now()
    )
    text = outcome.model_dump_json().replace('"fence"', '"attempt"')
    await redis.xadd(OUTCOME_STREAM, {"outcome": text})
    await redis.hset("euguess:outcomes:demo", str(FR0), text)
    assert [event for _, event in await ledger.events("0-0", block_ms=1)] == [outcome]
    assert await ledger.outcomes("demo") == {FR0: outcome}
    assert await ledger.dead_letter_count() == 0


async def test_emptied_data_have_another_identity(redis: Redis, ledger: Ledger) -> None:
    before = await ledger.identity()
    assert await ledger.identity() == before
    await redis.flushall()
    assert await ledger.identity() != before


async def test_a_full_redis_is_not_writable(redis: Redis, ledger: Ledger) -> None:
    await ledger.check_writable()
    await redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(RedisError):
            await ledger.check_writable()
    finally:
        await redis.config_set("maxmemory", 0)


async def test_progress_is_kept_until_the_dataset_is_forgotten(ledger: Ledger) -> None:
    await ledger.keep_progress("demo", FR0, next_candidate=16, failures=2)
    assert await ledger.progress("demo") == {FR0: (16, 2)}
    await ledger.forget("demo")
    assert await ledger.progress("demo") == {}


async def test_messages_that_no_worker_has_taken_are_counted(
    redis_url: str, ledger: Ledger
) -> None:
    request = SlotRequest(slot=FR0, candidates=((45.0, 5.0),), fence=1)
    publisher = CeleryPublisher(redis_url)
    publisher.publish(FetchLocations(dataset="demo", slots=(request,)))
    assert await ledger.waiting_messages(Queue.FETCH) == 1
    assert await ledger.waiting_messages(Queue.TRAIN) == 0
