"""The ledger against a real Redis."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from euguess.collection.ledger import DEAD_LETTERS, OUTCOME_STREAM, Ledger
from euguess.messages.collection import (
    FetchLocations,
    SlotRequest,
    SlotStatus,
)
from euguess.messages.queues import Queue
from services.sampler.publisher import CeleryPublisher
from tests.support.ledger_contract import FR0, LedgerContract, outcome


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as redis:
        yield redis


@pytest.fixture
def ledger(redis: Redis) -> Ledger:
    return Ledger(redis)


class TestLedger(LedgerContract):
    pass


@pytest.mark.parametrize("restart", ["SCRIPT FLUSH", "FLUSHALL"])
async def test_scripts_that_redis_has_lost_are_sent_again(
    redis: Redis, ledger: Ledger, restart: str
) -> None:
    for fence in (1, 2):
        await ledger.lease("demo", {FR0: fence}, 60)
        assert await ledger.begin("demo", {FR0: fence}, "owner", 60) == {FR0}
        await ledger.record(outcome(SlotStatus.STORED, fence=fence))
        assert await ledger.leases("demo") == {}
        await redis.execute_command(*restart.split())  # type: ignore[no-untyped-call] # not annotated


async def test_an_outcome_that_does_not_validate_is_a_dead_letter(
    redis: Redis, ledger: Ledger
) -> None:
    await redis.xadd(OUTCOME_STREAM, {"outcome": '{"status": "lost"}'})
    await redis.xadd(OUTCOME_STREAM, {"other": "field"})
    good = outcome(SlotStatus.RETRY)
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
    stored = outcome(SlotStatus.STORED, fence=7)
    text = stored.model_dump_json().replace('"fence"', '"attempt"')
    await redis.xadd(OUTCOME_STREAM, {"outcome": text})
    await redis.hset("euguess:outcomes:demo", str(FR0), text)
    assert [event for _, event in await ledger.events("0-0", block_ms=1)] == [stored]
    assert await ledger.outcomes("demo") == {FR0: stored}
    assert await ledger.dead_letter_count() == 0


async def test_emptied_data_gets_a_new_id(redis: Redis, ledger: Ledger) -> None:
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


async def test_queued_messages_are_counted(redis_url: str, ledger: Ledger) -> None:
    request = SlotRequest(slot=FR0, candidates=((45.0, 5.0),), fence=1)
    publisher = CeleryPublisher(redis_url)
    publisher.publish(FetchLocations(dataset="demo", slots=(request,)))
    assert await ledger.queued_messages(Queue.FETCH) == 1
    assert await ledger.queued_messages(Queue.TRAIN) == 0


async def test_damaged_entries_are_dropped_and_cost_only_themselves(
    redis: Redis, ledger: Ledger
) -> None:
    await ledger.lease("demo", {FR0: 5}, 60)
    await ledger.keep_progress("demo", FR0, 16, 1)
    await ledger.record(outcome(SlotStatus.STORED, dataset="demo"))
    for view in ("leases", "progress", "outcomes"):
        for name, value in (("FR/1", b"\xff"), ("FR/01", b"5 5"), ("x", b"5 5"), ("FR/2", b"")):
            await redis.hset(f"euguess:{view}:demo", name, value)
    for _ in range(2):
        assert set(await ledger.leases("demo")) == {FR0}
        assert await ledger.progress("demo") == {FR0: (16, 1)}
        assert set(await ledger.outcomes("demo")) == {FR0}
    assert await redis.hlen("euguess:leases:demo") == 1


async def test_a_damaged_dead_letter_is_shown_as_such(redis: Redis, ledger: Ledger) -> None:
    await redis.lpush(DEAD_LETTERS, b"\xff{")
    (letter,) = await ledger.dead_letters()
    assert (letter.reason, letter.payload) == ("this dead letter is damaged", "\ufffd{")
