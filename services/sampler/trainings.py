"""Queue training runs, up to a limit."""

import asyncio

from euguess.errors import QueueFull
from euguess.messages.queues import Queue
from euguess.messages.training import TrainRun
from euguess.training.recipes.read import parse_any_recipe
from services.sampler.publisher import Publisher
from services.sampler.service import SamplerService


class Trainings:
    """Checks requests for training runs and sends them to the trainers."""

    def __init__(self, service: SamplerService, publisher: Publisher, queue_limit: int) -> None:
        self._service = service
        self._publisher = publisher
        self._queue_limit = queue_limit
        self._parsing = asyncio.Lock()
        self._queueing = asyncio.Lock()

    async def queue(self, order: TrainRun) -> None:
        """Queue a run; return once the broker has it.

        Raises InvalidRecipe, DatasetNotFound, QueueFull, ServiceUnavailable or Redis's errors.
        """
        async with self._parsing:  # one at a time, so that slow ones share one core
            await asyncio.to_thread(parse_any_recipe, order.recipe)
        await self._service.status(order.dataset)
        await self._service.check_writable()  # fails faster than the broker's client
        async with self._queueing:
            await self._require_room()
            await asyncio.to_thread(self._publisher.publish_training, order)

    async def _require_room(self) -> None:
        queued = (await self._service.queues()).messages[Queue.TRAIN]
        if queued >= self._queue_limit:
            raise QueueFull(
                f"{queued} training runs are queued, the most that EUGUESS_TRAINING_QUEUE_LIMIT "
                "allows. Try again when a trainer has taken some, or start another trainer."
            )
