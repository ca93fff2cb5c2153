"""A fetcher whose Redis ends, and one that has to stop or hangs: nothing is lost."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest
from redis import Redis

from euguess.messages.collection import SlotStatus
from euguess.process.ports import free_ports
from euguess.process.programs import find_redis
from euguess.settings import StoreSettings
from euguess.stack.processes import RunningServer, start
from euguess.stack.servers import RedisServer, redis_spec
from tests.support.fetcher_rig import SPEC, Rig, announced, eventually, message, put_spec, slots

pytestmark = pytest.mark.timeout(120)


IMPATIENT = """
from services.fetcher import __main__, health
health.START_SECONDS, health.SILENT_SECONDS = 10, 5
__main__.run_program(lambda: __main__.app(["worker", "--concurrency", "1"]), name="fetcher")
"""


class OwnRedis:
    """A Redis that a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server = RedisServer(
            program=find_redis(), port=free_ports(1)[0], data=folder / "redis"
        )
        self.url = self._server.url.get_secret_value()
        self.start()

    def start(self) -> None:
        self.process: RunningServer = start(redis_spec(self._server), self._folder / "redis.log")
        self.process.wait_ready()

    def kill(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.stop()


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path)
    yield server
    server.process.stop()


@pytest.fixture
def rig(redis: OwnRedis, tmp_path: Path, store_settings: StoreSettings, simulator: str) -> Rig:
    rig = Rig(tmp_path, redis.url, store_settings, simulator)
    rig.reset()
    return rig


@pytest.fixture
async def account(rig: Rig) -> None:
    await put_spec(await rig.open_store())
    await rig.open_account()


def is_stored(rig: Rig, count: int) -> Callable[[], Awaitable[bool]]:
    async def are_enough_stored() -> bool:
        async with rig.ledger() as ledger:
            return len(await ledger.outcomes(SPEC.name)) == count

    return are_enough_stored


def is_working(rig: Rig) -> Callable[[], Awaitable[bool]]:
    async def are_slots_begun() -> bool:
        async with rig.ledger() as ledger:
            return bool(await ledger.leases(SPEC.name))

    return are_slots_begun


async def test_a_fetcher_survives_a_killed_redis(rig: Rig, account: None, redis: OwnRedis) -> None:
    rig.faults({"mode": "slow", "seconds": 2})
    with rig.worker(concurrency=2) as worker:
        rig.publish(message(slots(2)))
        await eventually(is_working(rig))
        redis.kill()
        redis.start()
        rig.faults()
        await rig.open_account()
        rig.publish(message(slots(4), fence=2))
        await eventually(is_stored(rig, 4))
        assert worker.exit_code is None
        assert "Unrecoverable" not in worker.log_path.read_text()


async def test_a_fetcher_survives_a_full_redis(rig: Rig, account: None, redis: OwnRedis) -> None:
    async def is_refused() -> bool:
        return "OutOfMemoryError" in worker.log_path.read_text()

    with rig.worker() as worker, Redis.from_url(redis.url) as client:
        rig.publish(message(slots(2)))
        client.config_set("maxmemory", "1mb")
        await eventually(is_refused)
        client.config_set("maxmemory", "0")
        rig.publish(message(slots(2), fence=2))
        await eventually(is_stored(rig, 2))
        assert worker.exit_code is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_stopping_fetcher_hands_its_slots_back(
    rig: Rig, account: None, number: signal.Signals
) -> None:
    rig.faults({"mode": "slow", "seconds": 60})
    with rig.worker() as worker:
        rig.publish(message(slots(20)))
        await eventually(is_working(rig))
        asked = time.monotonic()
        os.kill(worker.pid, number)
        await eventually(has_ended(worker))
        assert time.monotonic() - asked < 10
        assert worker.exit_code == 0
    async with rig.ledger() as ledger:
        outcomes = await announced(ledger)
    assert Counter(outcome.status for outcome in outcomes) == {SlotStatus.DEFERRED: 20}


async def test_a_stopped_worker_is_ended_so_that_it_can_be_replaced(
    rig: Rig, account: None
) -> None:
    """With short limits instead of minutes."""
    with rig.worker(command=(sys.executable, "-c", IMPATIENT)) as worker:
        (celery,) = psutil.Process(worker.pid).children()
        celery.suspend()
        await eventually(has_ended(worker))
        assert not celery.is_running()
        assert worker.exit_code == 1
    assert "no heartbeat" in worker.log_path.read_text()


def has_ended(worker: RunningServer) -> Callable[[], Awaitable[bool]]:
    async def is_over() -> bool:
        return worker.exit_code is not None

    return is_over
