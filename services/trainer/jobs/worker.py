"""Celery worker of the queue `train`: composition root.

Each run is trained in its own process, which frees its memory when it exits.
"""

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

from celery import Celery
from celery.signals import heartbeat_sent, worker_ready
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.exceptions import RedisError
from rich.console import Console

from euguess.collection.ledger import Ledger
from euguess.errors import ServiceUnavailable
from euguess.messages.collection import DeadLetter
from euguess.messages.queues import Queue, TaskName
from euguess.messages.training import TrainRun
from euguess.process.exits import exit_after
from euguess.process.heartbeat import Heartbeat
from euguess.settings import HomeSettings, MlflowSettings, RedisSettings, StoreSettings
from services.trainer.jobs.deliveries import VISIBILITY_SECONDS, RedisDeliveryLog
from services.trainer.jobs.handler import JobHandler

END_SECONDS = 9.0  # after a signal, at the latest
SOFT_SHUTDOWN_SECONDS = 2  # an interrupted run resumes after its last epoch


def run_worker(settings: RedisSettings) -> None:
    """Train queued runs until stopped. Raises ServiceUnavailable if Redis does not answer."""
    redis_url = settings.redis_url.get_secret_value()
    try:
        with Redis.from_url(redis_url) as redis:
            redis.ping()
    except RedisError as error:
        raise ServiceUnavailable(
            f"Redis does not answer ({type(error).__name__}). Start the stack with `euguess up`, "
            "or check EUGUESS_REDIS_URL."
        ) from None
    worker_ready.connect(_end_at_once_on_signals)
    alive = heartbeat_of(HomeSettings().home)
    heartbeat_sent.connect(lambda **_: alive.beat(), weak=False)
    options = ("--concurrency=1", "--loglevel=INFO", f"--queues={Queue.TRAIN}")
    name = f"--hostname=trainer-{os.getpid()}@%h"
    train_app(redis_url).worker_main(
        ["worker", "--without-gossip", "--without-mingle", *options, name]
    )


def heartbeat_of(home: Path) -> Heartbeat:
    """Return the worker's heartbeat, which shows that it is alive during hours of training."""
    return Heartbeat(home / "trainer" / "alive")


def train_app(redis_url: str) -> Celery:
    """Return the Celery application with this worker's single task."""
    app = Celery("trainer", broker=redis_url)
    app.conf.update(
        task_serializer="json",
        accept_content=["json"],
        task_ignore_result=True,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        worker_max_tasks_per_child=1,
        worker_hijack_root_logger=False,
        worker_soft_shutdown_timeout=SOFT_SHUTDOWN_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": VISIBILITY_SECONDS,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 10,
        },
    )

    @app.task(name=TaskName.TRAIN_RUN, bind=True)  # type: ignore[untyped-decorator] # Celery's
    def train_run(task: Any, message: str) -> None:
        """Handle a TrainRun, given as JSON text."""
        with Redis.from_url(redis_url) as redis:
            deliveries = RedisDeliveryLog(redis)
            handler = JobHandler(deliveries, _train, lambda letter: _bury(redis_url, letter))
            handler.handle(message, task.request.properties["delivery_tag"])

    return app


def _train(message: TrainRun) -> str:
    # Imported here: the parent process stays small, and safe to fork, without torch.
    from euguess.training.recipes.read import parse_any_recipe
    from services.trainer.runs.experiment import RunRequest, run_experiment
    from services.trainer.session import open_session

    home, console = HomeSettings().home, Console(stderr=True)
    session = open_session(home, StoreSettings.load(), MlflowSettings.load(), "auto", console)
    outcome = run_experiment(
        RunRequest(
            dataset=message.dataset,
            recipe=parse_any_recipe(message.recipe),
            is_resumed=True,
            is_promoted=message.promote,
            resumes=message.resumes,
        ),
        session,
    )
    verdict = f"; {outcome.verdict.reason}" if outcome.verdict else ""
    return f"run {outcome.run_id}{verdict}"


def _bury(redis_url: str, letter: DeadLetter) -> None:
    async def bury() -> None:
        async with AsyncRedis.from_url(redis_url) as redis:
            await Ledger(redis).bury(letter)

    asyncio.run(bury())


def _end_at_once_on_signals(**_: Any) -> None:
    """Turn signals on which Celery waits for tasks into SIGQUIT, which requeues messages."""

    def end(*_: Any) -> None:
        exit_after(END_SECONDS)  # Redis may hang
        os.kill(os.getpid(), signal.SIGQUIT)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
