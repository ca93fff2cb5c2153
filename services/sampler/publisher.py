"""Publish commands to fetchers and trainers."""

import asyncio
import time
from typing import Protocol

from celery import Celery
from kombu.exceptions import OperationalError

from euguess.collection.ledger import Ledger
from euguess.errors import ServiceUnavailable
from euguess.messages.collection import DatasetSpec, FetchLocations, SlotRequest
from euguess.messages.queues import Queue, TaskName
from euguess.messages.records import Record
from euguess.messages.training import TrainRun
from services.sampler.candidates import SlotCandidates
from services.sampler.slots import SlotTracker, SlotWork


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


class SlotPublisher:
    """Draws candidates for slots, leases the slots and publishes them."""

    def __init__(
        self,
        ledger: Ledger,
        publisher: Publisher,
        candidates: SlotCandidates,
        lease_seconds: float,
    ) -> None:
        self.published_slots = 0
        self._ledger = ledger
        self._publisher = publisher
        self._candidates = candidates
        self._lease_seconds = lease_seconds

    async def publish(self, slots: SlotTracker, group: list[SlotWork]) -> None:
        """Lease and publish a group of slots as one message; return the slots if that fails."""
        try:
            message = await asyncio.to_thread(self._message, slots.spec, group)
            fences = {work.slot: work.fence for work in group}
            await self._ledger.lease(slots.spec.name, fences, self._lease_seconds)
            await asyncio.to_thread(self._publisher.publish, message)
        except BaseException:
            slots.give_back(group)
            raise
        self.published_slots += len(group)

    def _message(self, spec: DatasetSpec, group: list[SlotWork]) -> FetchLocations:
        """Build a message. A fence is the time, so that it also grows across restarts."""
        now_ms = int(time.time() * 1000)
        for work in group:
            work.fence = max(work.fence + 1, now_ms)
        drawn = self._candidates.draw(spec, group)
        requests = [
            SlotRequest(slot=work.slot, candidates=tuple(drawn[work.slot]), fence=work.fence)
            for work in group
        ]
        return FetchLocations(dataset=spec.name, slots=tuple(requests))
