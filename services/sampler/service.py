"""Operations behind the sampler's HTTP interface."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from redis.exceptions import RedisError

from euguess.collection.datasets import dataset_names, read_spec, stored_slots, stored_status
from euguess.collection.layout import DATASETS, spec_key, stopped_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import COLLECTED
from euguess.errors import (
    DamagedRecord,
    DatasetConflict,
    EUGuessError,
    InvalidInput,
    ServiceUnavailable,
)
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
from services.sampler.candidates import SlotCandidates
from services.sampler.collection import RedisView
from services.sampler.controller import CollectionController
from services.sampler.duty import Duty
from services.sampler.recovery import restore

REDIS_SECONDS = 5.0  # for Redis to answer, well below the timeout of clients


class SamplerService:
    """Creates, lists and stops collections; reports queues and readiness."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        budgets: Budgets,
        controller: CollectionController,
        candidates: SlotCandidates,
        duty: Duty,
    ) -> None:
        self.controller = controller
        self._duty = duty
        self._store = store
        self._ledger = ledger
        self._budgets = budgets
        self._candidates = candidates

    async def create(self, spec: DatasetSpec) -> DatasetStatus:
        """Start or resume a collection, once its spec is durable.

        Raises InvalidInput, DatasetConflict, StandingBy, StoreError or Redis's errors.
        """
        if spec.provider not in COLLECTED:
            raise InvalidInput(
                f"provider {spec.provider!r}: use one of {', '.join(COLLECTED)}; to import a "
                "folder of photos, run `euguess dataset import NAME PATH`."
            )
        await asyncio.to_thread(self._candidates.check, spec)
        await self.check_writable()  # without Redis nothing can be collected
        is_new = await self._make_durable(spec)
        await self._ledger.resume(spec.provider)
        if spec.name not in self.controller:
            await self._restore(spec, is_new=is_new)
        elif await self._misses_records(spec.name):  # after a repair, for example
            async with self.controller.between_rounds:
                self.controller.remove(spec.name)
                await self._restore(spec)
        self.controller.resume(spec.name)
        return self.controller.status(spec.name)

    async def _restore(self, spec: DatasetSpec, *, is_new: bool = False) -> None:
        """Restore a collection; the loop sees it once that is done."""
        collection = self.controller.new_collection(spec)
        view = await restore(
            self._store, self._ledger, self._budgets, collection, self.controller.damage
        )
        self.controller.add(collection, RedisView.INTACT if is_new else view)

    async def _misses_records(self, name: str) -> bool:
        """Return True if slots ended whose records are damaged, or not in the store any more."""
        ended = self.controller.ended_slots(name)  # before the listing, to which more may come
        if self.controller.damage.keys.get(name):
            return True
        return bool(ended) and not ended <= set(await stored_slots(self._store, name))

    async def statuses(self) -> list[DatasetStatus]:
        """Return the statuses of all datasets whose specification is readable."""
        found = []
        for name in await dataset_names(self._store):
            try:
                found.append(await self.status(name))
            except DamagedRecord as error:  # one dataset must not hide the others
                with contextlib.suppress(RedisError):
                    await self.controller.damage.report(name, error.key)
        return found

    async def status(self, name: str) -> DatasetStatus:
        """Return the status of a dataset. Raises DatasetNotFound or DamagedRecord."""
        if name in self.controller:
            return self.controller.status(name)
        return await stored_status(self._store, name)

    async def stop(self, name: str) -> DatasetStatus:
        """Publish no more slots; fetchers finish those they have begun. Raises DatasetNotFound."""
        self._duty.check()
        status = await self.status(name)
        if status.state in (DatasetState.COMPLETE, DatasetState.IMPORTED):
            return status
        await self._store.put(stopped_key(name), b"{}")
        if name in self.controller:
            self.controller.stop(name)
        return await self.status(name)

    async def set_budget(self, name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget of a collection, which continues if the new one allows more.

        Raises DatasetNotFound, InvalidInput, StoreError, ServiceUnavailable or Redis's errors.
        """
        spec = await read_spec(self._store, name)
        if spec.provider not in COLLECTED:
            raise InvalidInput(f"{name!r} was imported: an imported dataset has no budget.")
        await self.check_writable()
        await self._budgets.store(name, budget)
        if name in self.controller:
            self.controller.set_budget(name, await self._budgets.read(spec))
        await self._apply_budget(spec)
        return await self.status(name)

    async def _apply_budget(self, spec: DatasetSpec) -> None:
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await self._budgets.apply(spec)
        except (TimeoutError, RedisError):
            raise ServiceUnavailable(
                "The new budget is stored, but Redis did not confirm it. It takes effect once "
                "Redis answers; until then fetchers may spend up to the old one."
            ) from None

    async def dead_letters(self, limit: int) -> list[DeadLetter]:
        return await self._ledger.dead_letters(limit)

    async def queues(self) -> QueueStatus:
        """Count queued messages, slots in flight and dead letters. Raises Redis's errors."""
        return QueueStatus(
            messages={queue.value: await self._ledger.queued_messages(queue) for queue in Queue},
            slots_in_flight=self.controller.outstanding,
            dead_letters=await self._ledger.dead_letter_count(),
        )

    async def check_writable(self) -> None:
        """Raise StandingBy, ServiceUnavailable or Redis's errors if it does not accept writes."""
        try:
            async with asyncio.timeout(REDIS_SECONDS):
                await self._ledger.check_writable()
        except TimeoutError:
            raise ServiceUnavailable(
                f"Redis does not answer within {REDIS_SECONDS:g} seconds. Nothing was changed; "
                "try again."
            ) from None
        self._duty.check()

    async def problems(self) -> dict[str, str]:
        """Return the sampler's problems by component; empty if it is ready."""
        found = {}
        if not await _answers(self._ledger.check_writable):
            found["redis"] = "does not answer, or does not accept writes"
        if not await _answers(lambda: self._store.exists(DATASETS + "ready")):
            found["store"] = "does not answer"
        standing_by = self._duty.why_not()
        if standing_by is not None:
            found["sampler"] = standing_by
        elif not self.controller.is_progressing:
            found["collection"] = "makes no progress"
        return found

    async def _make_durable(self, spec: DatasetSpec) -> bool:
        """Store a specification; return True if the dataset is new. Raises DatasetConflict."""
        body = spec.model_dump_json(indent=2).encode()
        is_new = await self._store.create(spec_key(spec.name), body)
        if is_new:
            await self._budgets.forget(spec.name)
            await self._ledger.forget(spec.name)  # the name may have been used before
        else:
            if await read_spec(self._store, spec.name) != spec:
                raise DatasetConflict(
                    f"A dataset {spec.name!r} exists with another specification; choose another "
                    "name, or send the same specification to resume it."
                )
            await self._store.delete(stopped_key(spec.name))
        return is_new


async def _answers(call: Callable[[], Awaitable[object]]) -> bool:
    try:
        await call()
    except (RedisError, EUGuessError, OSError):
        return False
    return True
