"""Process one message: up to 50 slots concurrently in one event loop."""

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from pydantic import ValidationError
from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.datasets import read_spec
from euguess.collection.ledger import Ledger
from euguess.errors import DatasetNotFound, EUGuessError, InvalidInput, StoreError
from euguess.messages.collection import (
    DatasetSpec,
    DeadLetter,
    FetchLocations,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.storage import ObjectStore
from services.fetcher.calls import ProviderPaused
from services.fetcher.context import FetchContext
from services.fetcher.slot import MAX_REASON_LENGTH, SlotFetcher, outcome_of

logger = logging.getLogger(__name__)

RENEWALS_PER_LEASE = 3

OpenContext = Callable[[str], FetchContext]  # by the provider's name


class LeaseLost(EUGuessError):
    """A newer publication of the slot has taken its lease."""


class MessageFetcher:
    """Processes messages. Caches providers, and the specs of datasets, which never change."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        open_context: OpenContext,
        lease_seconds: float,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._open_context = open_context
        self._lease_seconds = lease_seconds
        self._specs: dict[str, DatasetSpec] = {}
        self._contexts: dict[str, FetchContext] = {}

    async def fetch(self, text: str) -> None:
        """Bring each slot of a message to an outcome and announce it.

        A message that does not validate, or whose dataset is unknown, becomes a dead letter and
        is not retried.
        """
        try:
            message = FetchLocations.model_validate_json(text)
            spec = await self._spec(message.dataset)
            context = await self._context(spec.provider)
        except ValidationError as error:
            first = error.errors()[0]
            await self._bury(text, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        except DatasetNotFound as error:
            await self._bury(text, str(error))
        except StoreError as error:
            reason = f"{type(error).__name__}: {error}"
            await self._return_slots(message, SlotStatus.RETRY, reason)
        except ProviderPaused as error:
            await self._return_slots(message, SlotStatus.DEFERRED, str(error))
        else:
            await self._fetch_slots(context, spec, message)

    async def _fetch_slots(
        self, context: FetchContext, spec: DatasetSpec, message: FetchLocations
    ) -> None:
        started = time.monotonic()
        fences = {request.slot: request.fence for request in message.slots}
        begun = await self._ledger.begin(spec.name, fences, self._lease_seconds)
        slots = (
            self._fetch_slot(context, spec, request)
            for request in message.slots
            if request.slot in begun  # a newer publication of the others is on its way
        )
        results = await asyncio.gather(*slots, return_exceptions=True)
        _report(spec.name, results, time.monotonic() - started)
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:  # an error of Redis: the leases expire, and the slots are published again
            raise errors[0]

    async def _fetch_slot(
        self, context: FetchContext, spec: DatasetSpec, request: SlotRequest
    ) -> SlotOutcome | None:
        """Fetch one slot; None if a newer publication takes over its lease."""
        try:
            async with self._renewed_lease(spec.name, request):
                outcome = await SlotFetcher(context, spec, request).run()
        except LeaseLost:
            return None
        await self._ledger.record(outcome)
        return outcome

    async def _return_slots(self, message: FetchLocations, status: SlotStatus, reason: str) -> None:
        """Announce that no slot of a message can be fetched for now."""
        for request in message.slots:
            fields = {"reason": reason[:MAX_REASON_LENGTH]}
            await self._ledger.record(outcome_of(message.dataset, request, status, **fields))

    @contextlib.asynccontextmanager
    async def _renewed_lease(self, dataset: str, request: SlotRequest) -> AsyncIterator[None]:
        """Renew the lease while the body runs. Raises LeaseLost once it is taken over."""
        ended = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._renew(dataset, request, ended))
                try:
                    yield
                finally:
                    ended.set()
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _renew(self, dataset: str, request: SlotRequest, ended: asyncio.Event) -> None:
        """Ended by the event, not by cancelling: before Python 3.12 `asyncio.wait_for`, which
        redis-py uses to send, can swallow a cancellation, and the lease would never end."""
        is_ours = True
        while is_ours:
            if await _happens(ended, self._lease_seconds / RENEWALS_PER_LEASE):
                return
            with contextlib.suppress(RedisError):
                fences = {request.slot: request.fence}
                is_ours = bool(await self._ledger.begin(dataset, fences, self._lease_seconds))
        raise LeaseLost

    async def _context(self, provider: str) -> FetchContext:
        """Return a provider's context. Raises ProviderPaused, also if the settings forbid it."""
        reason = await self._ledger.paused(provider)
        if reason is not None:
            raise ProviderPaused(reason)
        if provider not in self._contexts:
            try:
                self._contexts[provider] = self._open_context(provider)
            except InvalidInput as error:  # no key, or its terms are not accepted
                await self._ledger.pause(provider, str(error), None)
                raise ProviderPaused(str(error)) from None
        context = self._contexts[provider]
        context.calls.circuit.close()
        return context

    async def _spec(self, dataset: str) -> DatasetSpec:
        if dataset not in self._specs:
            self._specs[dataset] = await read_spec(self._store, dataset)
        return self._specs[dataset]

    async def _bury(self, text: str, reason: str) -> None:
        letter = DeadLetter(source="fetcher", reason=reason, payload=text[:10_000], at=utc_now())
        await self._ledger.bury(letter)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait for an event with a timeout; return whether it happened."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _report(
    dataset: str, results: Sequence[SlotOutcome | BaseException | None], seconds: float
) -> None:
    outcomes = [result for result in results if isinstance(result, SlotOutcome)]
    counts = Counter(outcome.status.value for outcome in outcomes)
    images = sum(outcome.images for outcome in outcomes)
    fields = {"action": "message", "images": images, "seconds": round(seconds, 2), **counts}
    logger.info("%d slots of %s are done", len(outcomes), dataset, extra=fields)
