"""A fetcher is healthy while it makes progress."""

import os
import time
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisDown

from euguess.process.heartbeat import SILENT_SECONDS
from services.fetcher.health import (
    STALLED_SECONDS,
    START_SECONDS,
    FetcherHealth,
    StallDetector,
)


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


class Detection:
    """A detector of a worker that has just started, with a clock that the test moves."""

    def __init__(self, health: FetcherHealth, folder: Path) -> None:
        self.now = 0.0
        self.queue = Queue(3)
        self._folder = folder
        self._detector = StallDetector(health, self.queue, lambda: self.now)

    def after(self, seconds: float, *, alive: float, progress: float) -> str | None:
        """Return the problem some seconds later, with heartbeats of these ages."""
        self.now += seconds
        set_age(self._folder / "fetcher" / "alive", alive)
        set_age(self._folder / "fetcher" / "progress", progress)
        return self._detector.problem()


@pytest.fixture
def detection(health: FetcherHealth, tmp_path: Path) -> Detection:
    return Detection(health, tmp_path)


def test_a_starting_worker_may_be_silent(detection: Detection) -> None:
    assert detection.after(START_SECONDS + SILENT_SECONDS - 1, alive=1e6, progress=1e6) is None
    assert detection.after(2, alive=1e6, progress=1e6) == "no heartbeat for 60 seconds"


def test_a_worker_that_finishes_nothing_of_a_queue_is_replaced(detection: Detection) -> None:
    detection.after(START_SECONDS, alive=1, progress=1)
    assert detection.after(STALLED_SECONDS - 1, alive=1, progress=1e6) is None
    assert "none finished" in str(detection.after(2, alive=1, progress=1e6))


def test_a_message_after_a_long_idle_time_is_no_stall(detection: Detection) -> None:
    detection.queue.waiting = 0
    detection.after(1e6, alive=1, progress=1e6)
    detection.queue.waiting = 1
    assert detection.after(5, alive=1, progress=1e6) is None


def test_the_worker_is_not_blamed_for_an_outage_of_redis(detection: Detection) -> None:
    detection.queue.waiting = None
    assert detection.after(1e6, alive=1e6, progress=1e6) is None
    detection.queue.waiting = 3
    assert detection.after(5, alive=1e6, progress=1e6) is None
    assert detection.after(SILENT_SECONDS, alive=1e6, progress=1e6) is not None
