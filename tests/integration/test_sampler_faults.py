"""Faults of a collection with real sampler, fetchers, simulator, Redis and S3, and what they cost.

The simulator's counters are the bill.
"""

import asyncio
import logging
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from euguess.collection.datasets import rebuild
from euguess.errors import ServiceUnavailable
from euguess.messages.collection import DatasetSpec, DatasetState, DatasetStatus
from euguess.settings import StoreSettings
from euguess.storage.administration import ensure_bucket
from tests.support.fetcher_rig import SPEC, Rig, eventually
from tests.support.sampler_process import (
    SamplerProcess,
    is_complete,
    sampler_process,
    wait_for,
)

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

SMALL = SPEC.model_copy(update={"quotas": {"FR": 12, "PL": 12}})
IMAGES = 72


@pytest.fixture(scope="module")
def rig(
    tmp_path_factory: pytest.TempPathFactory,
    redis_server: str,
    s3_server: StoreSettings,
    simulator: str,
) -> Rig:
    """A rig that the tests of this module share; each collects a dataset of its own."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    store = s3_server.model_copy(update={"store_url": "s3://sampler-faults"})
    ensure_bucket(store)
    return Rig(tmp_path_factory.mktemp("rig"), redis_server, store, simulator)


@pytest.fixture(scope="module", autouse=True)
def workers(rig: Rig) -> Iterator[None]:
    """Two fetchers, which work through all tests of this module."""
    with rig.worker(), rig.worker():
        yield


@pytest.fixture(scope="module")
def sampler(rig: Rig) -> Iterator[SamplerProcess]:
    """The sampler that leads until the last test kills it."""
    with sampler_process(rig) as sampler:
        yield sampler


@pytest.fixture(autouse=True)
def _slow_images(rig: Rig) -> None:
    """Images take longer than publishing a slot again, so that a fault finds some on their way."""
    rig.reset()
    rig.faults({"mode": "slow", "endpoint": "image", "seconds": 2})


def spec(name: str) -> DatasetSpec:
    return SMALL.model_copy(update={"name": name})


def some_stored(status: DatasetStatus) -> bool:
    return status.total.stored >= 5


def check_bill(rig: Rig, status: DatasetStatus, *, most_paid_twice: int = 0) -> None:
    """Check the bill of a complete dataset: all counted, and little or nothing paid twice."""
    bill = rig.counters()
    twice = bill["billed_images"] - IMAGES
    logger.info(
        "%s: billed %d, counted %d, paid twice %d",
        status.spec.name,
        bill["billed_images"],
        status.images_spent,
        twice,
    )
    assert (status.total.stored, status.total.failed) == (24, 0)
    assert bill["billed_images"] <= status.images_spent
    assert twice <= most_paid_twice, bill["billed_more_than_once"]


async def test_stopping_and_resuming_at_once_pays_nothing_twice(
    rig: Rig, sampler: SamplerProcess
) -> None:
    sampler.client.create(spec("stop"))
    await eventually(lambda: is_buying(rig), seconds=30)
    assert sampler.client.stop("stop").state is DatasetState.STOPPED
    sampler.client.create(spec("stop"))
    check_bill(rig, await wait_for(sampler.client, is_complete, "stop"))


async def test_a_stopped_collection_ends_what_was_begun_and_publishes_nothing(
    rig: Rig, sampler: SamplerProcess
) -> None:
    sampler.client.create(spec("pause"))
    await wait_for(sampler.client, some_stored, "pause")
    sampler.client.stop("pause")
    await eventually(lambda: is_idle(sampler), seconds=30)
    stored, billed = sampler.client.status("pause").total.stored, rig.counters()
    assert billed["billed_images"] == stored * 3
    sampler.client.create(spec("pause"))
    check_bill(rig, await wait_for(sampler.client, is_complete, "pause"))


async def test_a_rebuild_during_a_collection_pays_nothing_twice(
    rig: Rig, sampler: SamplerProcess
) -> None:
    sampler.client.create(spec("rebuild"))
    await eventually(lambda: is_buying(rig), seconds=30)
    async with rig.ledger() as ledger:
        await rebuild(await rig.open_store(), ledger, "rebuild")
    check_bill(rig, await wait_for(sampler.client, is_complete, "rebuild"))


async def test_a_redis_that_loses_its_data_makes_nobody_pay_twice(
    rig: Rig, sampler: SamplerProcess
) -> None:
    sampler.client.create(spec("flush"))
    await eventually(lambda: is_buying(rig), seconds=30)
    with Redis.from_url(rig.redis_url) as redis:
        redis.flushall()
    check_bill(rig, await wait_for(sampler.client, is_complete, "flush"))


async def test_a_second_sampler_stands_by_and_takes_over_when_the_first_is_killed(
    rig: Rig, sampler: SamplerProcess
) -> None:
    sampler.client.create(spec("two"))
    with sampler_process(rig, "/healthz") as second:
        await wait_for(second.client, some_stored, "two")
        assert "leads" in second.readiness()["sampler"]
        with pytest.raises(ServiceUnavailable, match="stands by"):
            second.client.stop("two")
        sampler.kill()  # the last test of this module
        killed_at = time.monotonic()
        await eventually(lambda: is_ready(second), seconds=30)
        took = time.monotonic() - killed_at
        logger.info("the second sampler leads %.1f s after the first was killed", took)
        assert took < 12  # a lease of 5 s and the recovery
        check_bill(rig, await wait_for(second.client, is_complete, "two"))


async def is_buying(rig: Rig) -> bool:
    return bool((await asyncio.to_thread(rig.counters))["faults_applied"])


async def is_idle(sampler: SamplerProcess) -> bool:
    return (await asyncio.to_thread(sampler.client.queues)).slots_in_flight == 0


async def is_ready(sampler: SamplerProcess) -> bool:
    return await asyncio.to_thread(sampler.readiness) == {"status": "ready"}
