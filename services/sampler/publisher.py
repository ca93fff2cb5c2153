"""Sending commands to the fetchers."""

from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError

from euguess.errors import ServiceUnavailable
from euguess.queues import Queue, TaskName
from euguess.schemas import FetchLocations


class Publisher(Protocol):
    """Where messages for the fetchers go."""

    def publish(self, message: FetchLocations) -> None:
        """Send; returns when the broker has it. Raises ServiceUnavailable otherwise."""


class CeleryPublisher:
    """Sends through the broker by task name; the fetchers' code is not needed for it."""

    def __init__(self, broker_url: str) -> None:
        self._celery = Celery(broker=broker_url, set_as_current=False)
        self._celery.conf.update(
            task_ignore_result=True,
            task_serializer="json",
            broker_transport_options={"socket_timeout": 10, "socket_connect_timeout": 5},
            task_publish_retry=False,  # the collection tries again by itself, with new leases
        )

    def publish(self, message: FetchLocations) -> None:
        try:
            self._celery.send_task(
                TaskName.FETCH_LOCATIONS, args=[message.model_dump_json()], queue=Queue.FETCH
            )
        except OperationalError:
            raise ServiceUnavailable("The broker does not accept messages.") from None
