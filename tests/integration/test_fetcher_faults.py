"""Faults of fetchers with real Celery, Redis and simulator: what they cost, and what is counted.

The simulator's counters are the bill.
"""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from euguess.messages.collection import DatasetSpec, FetchLocations, SlotStatus
from euguess.settings import StoreSettings
from euguess.stack.processes import RunningServer
from services.fetcher.calls import CALLS_IN_FLIGHT
from tests.support.fetcher_rig import LEASE_SECONDS, SPEC, Rig, eventually, message, put_spec, slots

logger = logging.getLogger(__name__)
pytestmark = [pytest.mark.timeout(240), pytest.mark.asyncio(loop_scope="module")]

BROKEN_SECONDS = 3.0


@pytest.fixture(scope="module")
def store_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("faults") / "store"


@pytest.fixture(scope="module")
def rig(redis_server: str, simulator: str, store_folder: Path) -> Rig:
    """A rig that the tests of this module share; each collects a dataset of its own."""
    with Redis.from_url(redis_server) as redis:
        redis.flushall()
    store = StoreSettings(store_url=store_folder.as_uri())
    return Rig(store_folder.parent, redis_server, store, simulator)


@pytest.fixture(scope="module")
def worker(rig: Rig) -> Iterator[RunningServer]:
    """A worker with two processes."""
    with rig.worker(concurrency=2) as worker:
        yield worker


@pytest.fixture(autouse=True)
def _slow_images(rig: Rig) -> None:
    """Images take a second, so that a fault finds some of them on their way."""
    rig.reset()
    rig.faults({"mode": "slow", "endpoint": "image", "seconds": 1})


async def prepared(rig: Rig, name: str) -> DatasetSpec:
    """Create a dataset and open its account, as the sampler does."""
    spec = SPEC.model_copy(update={"name": name})
    await put_spec(await rig.open_store(), spec)
    await rig.open_account(name=name)
    return spec


async def publish(rig: Rig, wanted: FetchLocations) -> None:
    """Lease slots and publish them, as the sampler does."""
    async with rig.ledger() as ledger:
        fences = {request.slot: request.fence for request in wanted.slots}
        await ledger.lease(wanted.dataset, fences, LEASE_SECONDS)
    rig.publish(wanted)


async def all_stored(rig: Rig, wanted: FetchLocations) -> bool:
    async with rig.ledger() as ledger:
        outcomes = await ledger.outcomes(wanted.dataset)
    return [o.status for o in outcomes.values()] == [SlotStatus.STORED] * len(wanted.slots)


async def check_bill(rig: Rig, name: str, *, stored: int) -> int:
    """Check that everything billed is counted; return the images paid for in vain."""
    billed, counted = rig.counters()["billed_images"], await rig.images_spent(name)
    logger.info("%s: billed %d, stored %d, counted %d", name, billed, stored, counted)
    assert billed <= counted
    return int(billed) - stored


async def billed(rig: Rig, images: int) -> None:
    async def are_billed() -> bool:
        return int(rig.counters()["billed_images"]) >= images

    await eventually(are_billed)


async def test_a_message_delivered_twice_is_paid_for_once(rig: Rig, worker: RunningServer) -> None:
    wanted = message(slots(20), await prepared(rig, "twice"))
    await publish(rig, wanted)
    rig.publish(wanted)
    await eventually(lambda: all_stored(rig, wanted))
    await eventually(rig.is_idle)
    assert await check_bill(rig, "twice", stored=60) == 0
    assert await rig.images_spent("twice") == 60


async def test_a_process_that_was_suspended_pays_twice_only_for_images_on_their_way(
    rig: Rig, worker: RunningServer
) -> None:
    spec = await prepared(rig, "suspended")
    wanted = message(slots(40), spec)
    await publish(rig, wanted)
    await billed(rig, 10)
    process = busiest(worker)
    process.suspend()
    try:
        await publish(rig, message(slots(40), spec, fence=2))
        await eventually(lambda: all_stored(rig, wanted))
    finally:
        process.resume()
    await eventually(rig.is_idle)
    assert await check_bill(rig, "suspended", stored=120) <= CALLS_IN_FLIGHT


def busiest(worker: RunningServer) -> psutil.Process:
    """Return the process of a worker with the most open connections."""
    processes = psutil.Process(worker.pid).children(recursive=True)
    return max(processes, key=lambda process: len(process.net_connections()))


async def test_images_on_their_way_when_the_store_fails_are_stored_later(
    rig: Rig, worker: RunningServer, store_folder: Path
) -> None:
    spec = await prepared(rig, "broken")
    wanted = message(slots(40), spec)
    await publish(rig, wanted)
    await billed(rig, 10)
    kept = store_folder.rename(store_folder.with_name("kept"))
    store_folder.touch()  # a file in place of the folder: every access fails
    await asyncio.sleep(BROKEN_SECONDS)
    store_folder.unlink()
    kept.rename(store_folder)
    await eventually(rig.is_idle)
    async with rig.ledger() as ledger:
        returned = set(slots(40)) - (await ledger.outcomes("broken")).keys()
    if returned:
        await publish(rig, message(list(returned), spec, fence=2))
    await eventually(lambda: all_stored(rig, wanted))
    assert await check_bill(rig, "broken", stored=120) == 0
    assert await rig.images_spent("broken") == 120
