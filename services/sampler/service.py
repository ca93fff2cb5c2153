"""What the sampler's HTTP interface offers, over store, ledger and loop."""

import asyncio
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from euguess.collection.datasets import dataset_names, read_spec, stored_status
from euguess.collection.layout import DATASETS, spec_key, stopped_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import COLLECTED
from euguess.errors import DatasetConflict, EUGuessError, InvalidInput
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)
from euguess.messages.queues import Queue
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets
from services.sampler.collection import Conductor
from services.sampler.drawing import Drawing
from services.sampler.recovery import take_up


class Sampler:
    """Accepts, lists and stops datasets."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        budgets: Budgets,
        conductor: Conductor,
        drawing: Drawing,
    ) -> None:
        self.conductor = conductor
        self._store = store
        self._ledger = ledger
        self._budgets = budgets
        self._drawing = drawing

    async def create(self, spec: DatasetSpec) -> DatasetStatus:
        """Start or resume a collection, once its spec is durable.

        Raises InvalidInput, DatasetConflict, StoreError or Redis's errors.
        """
        if spec.provider not in COLLECTED:
            raise InvalidInput(
                f"provider {spec.provider!r}: there are {', '.join(COLLECTED)}; photos of a folder "
                "are imported with `euguess dataset import NAME PATH`."
            )
        await asyncio.to_thread(self._drawing.check, spec)
        await self._ledger.check_writable()  # without it nothing could be collected
        await self._make_durable(spec)
        await self._ledger.resume(spec.provider)
        if spec.name not in self.conductor.collections:
            # First in full, then under the loop's eyes.
            prepared = self.conductor.prepare(spec)
            await take_up(self._store, self._ledger, self._budgets, prepared)
            self.conductor.collections.setdefault(spec.name, prepared)
        collection = self.conductor.collections[spec.name]
        collection.is_stopped, collection.paused = False, None
        return self.conductor.status(spec.name)

    async def statuses(self) -> list[DatasetStatus]:
        return [await self.status(name) for name in await dataset_names(self._store)]

    async def status(self, name: str) -> DatasetStatus:
        """Raises DatasetNotFound."""
        if name in self.conductor.collections:
            return self.conductor.status(name)
        return await stored_status(self._store, name)

    async def stop(self, name: str) -> DatasetStatus:
        """Publish nothing more; what fetchers have begun, they end. Raises DatasetNotFound."""
        status = await self.status(name)
        if status.state in (DatasetState.COMPLETE, DatasetState.IMPORTED):
            return status
        await self._store.put(stopped_key(name), b"{}")
        if name in self.conductor.collections:
            self.conductor.collections[name].is_stopped = True
        return await self.status(name)

    async def set_budget(self, name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget of a collection, which goes on if it allows more.

        Raises DatasetNotFound, InvalidInput, StoreError or Redis's errors.
        """
        spec = await read_spec(self._store, name)
        if spec.provider not in COLLECTED:
            raise InvalidInput(f"{name!r} was imported: it spends nothing and has no budget.")
        await self._budgets.set(name, budget)
        if name in self.conductor.collections:
            self.conductor.collections[name].budget = await self._budgets.read(spec)
        return await self.status(name)

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        return await self._ledger.dead_letters(limit)

    async def queues(self) -> QueueStatus:
        """Raises Redis's errors."""
        return QueueStatus(
            messages={queue.value: await self._ledger.waiting_messages(queue) for queue in Queue},
            slots_in_flight=self.conductor.outstanding,
            dead_letters=await self._ledger.dead_letter_count(),
        )

    async def check_writable(self) -> None:
        """Raises Redis's errors when it takes no writes."""
        await self._ledger.check_writable()

    async def troubles(self) -> dict[str, str]:
        """What keeps the sampler from working, by part; empty when nothing does."""
        found = {}
        if not await _answers(self._ledger.check_writable):
            found["redis"] = "does not answer, or takes no writes"
        if not await _answers(lambda: self._store.exists(DATASETS + "ready")):
            found["store"] = "does not answer"
        if not self.conductor.is_progressing:
            found["collection"] = "makes no progress"
        return found

    async def _make_durable(self, spec: DatasetSpec) -> None:
        body = spec.model_dump_json(indent=2).encode()
        if await self._store.create(spec_key(spec.name), body):
            await self._budgets.forget(spec.name)
        else:
            if await read_spec(self._store, spec.name) != spec:
                raise DatasetConflict(
                    f"A dataset {spec.name!r} exists with another specification; choose another "
                    "name, or send the same specification to resume it."
                )
            await self._store.delete(stopped_key(spec.name))


async def _answers(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        await call()
    except (RedisError, EUGuessError, OSError):
        return False
    return True
