"""Publish commands to fetchers and trainers."""

from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError

from euguess.errors import ServiceUnavailable
from euguess.messages.collection import FetchLocations
from euguess.messages.queues import Queue, TaskName
from euguess.messages.records import Record
from euguess.messages.training import TrainRun


class Publisher(Protocol):
    """Sends messages. Returns once the broker has them, else raises ServiceUnavailable."""

    def publish(self, message: FetchLocations) -> None: ...

    def publish_training(self, order: TrainRun) -> None: ...


class CeleryPublisher:
    """Sends by task name through the broker; does not need the workers' code."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery(broker=broker_url, set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            task_serializer="json",
            broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 5},
            task_publish_retry=False,  # a collection retries by itself; a person gets an error
        )

    def publish(self, message: FetchLocations) -> None:
        self._send(TaskName.FETCH_LOCATIONS, message, Queue.FETCH)

    def publish_training(self, order: TrainRun) -> None:
        self._send(TaskName.TRAIN_RUN, order, Queue.TRAIN)

    def _send(self, task: TaskName, message: Record, queue: Queue) -> None:
        try:
            self._celery.send_task(task, args=[message.model_dump_json()], queue=queue)
        except OperationalError:
            raise ServiceUnavailable("The broker does not accept messages.") from None
