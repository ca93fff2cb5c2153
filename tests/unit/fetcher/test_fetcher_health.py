"""A fetcher is healthy while it makes progress."""

import os
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown

from services.fetcher.health import STALLED_SECONDS, FetcherHealth


class Queue(Redis):
    """A broker with a number of queued messages."""

    def __init__(self, waiting: int | None) -> None:
        super().__init__()  # connects to nothing by itself
        self.waiting = waiting

    def llen(self, name: str) -> int:  # type: ignore[override] # redis-py types both clients
        if self.waiting is None:
            raise RedisDown
        return self.waiting


@pytest.fixture
def health(tmp_path: Path) -> FetcherHealth:
    health = FetcherHealth(tmp_path)
    health.alive.beat()
    health.progress.beat()
    return health


def set_age(path: Path, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(path, (then, then))


def test_a_worker_with_heartbeats_and_progress_is_healthy(health: FetcherHealth) -> None:
    assert health.problem(Queue(7)) is None


def test_a_worker_that_never_started_is_unhealthy(tmp_path: Path) -> None:
    assert FetcherHealth(tmp_path).problem(Queue(0)) == "the worker has no heartbeat"


def test_a_silent_worker_is_unhealthy(health: FetcherHealth, tmp_path: Path) -> None:
    set_age(tmp_path / "fetcher" / "alive", 120)
    assert health.problem(Queue(0)) == "the worker has no heartbeat"


def test_an_idle_worker_stays_healthy(health: FetcherHealth, tmp_path: Path) -> None:
    set_age(tmp_path / "fetcher" / "progress", 1e6)
    assert health.problem(Queue(0)) is None


def test_a_live_worker_without_progress_is_unhealthy(health: FetcherHealth, tmp_path: Path) -> None:
    set_age(tmp_path / "fetcher" / "progress", STALLED_SECONDS + 10)
    assert "3 messages queued" in str(health.problem(Queue(3)))


def test_a_broker_that_does_not_answer_is_a_problem(health: FetcherHealth) -> None:
    assert "Redis does not answer" in str(health.problem(Queue(None)))
