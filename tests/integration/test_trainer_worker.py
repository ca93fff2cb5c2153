"""The Celery worker of the queue `train` on a real Redis."""

import asyncio
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from celery import Celery
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from euguess.collection.ledger import Ledger
from euguess.messages.collection import DeadLetter
from euguess.messages.queues import Queue, TaskName
from euguess.messages.training import TrainRun
from euguess.process.project import project_root, service_environment
from euguess.training.runs import STOP_TAG
from services.sampler.publisher import CeleryPublisher
from services.trainer.jobs.deliveries import UNACKED_INDEX, RedisDeliveryLog
from tests.support.trainer_home import RECIPE, TrainerHome

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
    # MLflow keeps its HTTP connections open until they are collected
    "ignore:unclosed <socket:ResourceWarning",
)


def until(condition: Callable[[], bool], what: str, seconds: float = 180.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.1)


def send(redis_url: str, text: str) -> None:
    """Send a message as any client does, knowing only the names of queue and task."""
    with Celery(broker=redis_url) as app:
        app.send_task(TaskName.TRAIN_RUN, args=[text], queue=Queue.TRAIN, ignore_result=True)


def dead_letters(redis_url: str) -> list[DeadLetter]:
    async def read() -> list[DeadLetter]:
        async with AsyncRedis.from_url(redis_url) as redis:
            return await Ledger(redis).dead_letters()

    return asyncio.run(read())


def waiting(redis_url: str) -> tuple[int, int]:
    """Return the number of queued messages and of those held by workers."""
    with Redis.from_url(redis_url) as redis:
        return int(redis.llen(Queue.TRAIN)), int(redis.zcard(UNACKED_INDEX))


class Worker:
    """A worker process with its log."""

    def __init__(self, home: TrainerHome, redis_url: str) -> None:
        self.log = home.folder / "worker.log"
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "services.trainer", "worker"],
                env=service_environment(EUGUESS_HOME=str(home.folder), EUGUESS_REDIS_URL=redis_url),
                cwd=project_root(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def says(self, text: str) -> bool:
        return text in self.log.read_text()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(10)  # whatever it is doing


@pytest.fixture
def home(tmp_path: Path) -> TrainerHome:
    found = TrainerHome(tmp_path)
    found.fill()
    return found


@pytest.fixture
def worker(home: TrainerHome, redis_url: str) -> Iterator[Worker]:
    running = Worker(home, redis_url)
    until(lambda: running.says(" ready."), "the worker's start", 60)
    yield running
    running.stop()


HEAD = 'name = "head"\n[[backbones]]\nnetwork = "smallnet"\nimage_size = 32\n'


@pytest.mark.parametrize("recipe", [RECIPE, HEAD], ids=["network", "head"])
def test_a_queued_run_is_trained_promoted_and_acknowledged(
    home: TrainerHome, worker: Worker, redis_url: str, recipe: str
) -> None:
    order = TrainRun(dataset="tiny", recipe=recipe, promote=True)
    send(redis_url, "{}")
    send(redis_url, order.model_dump_json())
    until(lambda: worker.says("Trained on tiny"), "the training")
    until(lambda: waiting(redis_url) == (0, 0), "the acknowledgement")
    assert home.session().registry.champion() is not None
    (letter,) = dead_letters(redis_url)
    assert letter.payload == "{}"
    assert "not a valid TrainRun" in letter.reason


def test_a_stopped_worker_requeues_its_run_and_the_next_one_resumes_it(
    home: TrainerHome, worker: Worker, redis_url: str
) -> None:
    recipe = RECIPE.replace("epochs = 3", "epochs = 15")
    send(redis_url, TrainRun(dataset="tiny", recipe=recipe).model_dump_json())
    checkpoints = home.folder / "checkpoints"
    until(lambda: checkpoints.is_dir() and any(checkpoints.glob("*.safetensors")), "an epoch")
    worker.stop()
    assert waiting(redis_url) == (1, 0)
    second = Worker(home, redis_url)
    try:
        until(lambda: second.says("Trained on tiny"), "the training")
    finally:
        second.stop()
    runs = home.session().tracking.runs()
    assert [run.status for run in runs] == ["FINISHED"]
    assert dead_letters(redis_url) == []


def test_a_worker_ends_soon_while_redis_hangs(worker: Worker, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        process = psutil.Process(redis.info("server")["process_id"])
    process.suspend()
    try:
        worker.stop()
    finally:
        process.resume()


def test_a_stopped_run_keeps_its_epochs_and_resumes_when_published_again(
    home: TrainerHome, worker: Worker, redis_url: str
) -> None:
    order = TrainRun(dataset="tiny", recipe=RECIPE.replace("epochs = 3", "epochs = 15"))
    publisher = CeleryPublisher(redis_url)
    publisher.publish_training(order)
    tracking = home.session().tracking
    until(lambda: len(tracking.runs()) == 1, "the start")
    (run,) = tracking.runs()
    tracking.client.set_tag(run.run_id, STOP_TAG, "now")
    until(lambda: worker.says("Stopped after epoch"), "the stop")
    until(lambda: waiting(redis_url) == (0, 0), "the acknowledgement")
    stopped = tracking.find(run.run_id)
    assert stopped.status == "KILLED"
    assert STOP_TAG not in stopped.tags
    assert list((home.folder / "checkpoints").glob("*.safetensors"))
    assert 1 <= len(tracking.history(run.run_id, "val_loss")) < 15
    publisher.publish_training(order)
    until(lambda: worker.says(f"run {run.run_id}"), "the training")
    assert [(one.run_id, one.status) for one in tracking.runs()] == [(run.run_id, "FINISHED")]
    epochs = tracking.client.get_metric_history(run.run_id, "val_loss")
    assert [metric.step for metric in epochs] == list(range(1, 16))
    assert dead_letters(redis_url) == []
    publisher.publish_training(order.model_copy(update={"resumes": run.run_id}))
    until(lambda: len(dead_letters(redis_url)) == 1, "the refusal")
    assert "has finished; there is nothing to resume" in dead_letters(redis_url)[0].reason
    assert [one.run_id for one in tracking.runs()] == [run.run_id]


def test_a_held_message_stays_with_its_worker(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        redis.zadd(UNACKED_INDEX, {"tag": 1.0})
        with RedisDeliveryLog(redis).claimed("tag", renew_seconds=0.01):
            until(lambda: (redis.zscore(UNACKED_INDEX, "tag") or 0) > 1e9, "the renewal", 10)


def test_an_acknowledged_message_is_not_redelivered(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        deliveries = RedisDeliveryLog(redis)
        with deliveries.claimed("gone", renew_seconds=0.01):
            deliveries.mark_handled("gone")
            assert deliveries.is_handled("gone")
        assert redis.zscore(UNACKED_INDEX, "gone") is None


def test_deliveries_are_counted(redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        deliveries = RedisDeliveryLog(redis)
        assert [deliveries.count("tag") for _ in range(3)] == [1, 2, 3]
