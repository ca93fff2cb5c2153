"""Process one message: up to 50 slots concurrently in one event loop."""

import asyncio
import contextlib
import logging
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence

from pydantic import ValidationError

from euguess.clock import utc_now
from euguess.collection.datasets import read_spec
from euguess.collection.ledger import Ledger
from euguess.errors import DatasetNotFound, InvalidInput, StoreError
from euguess.messages.collection import (
    DatasetSpec,
    DeadLetter,
    FetchLocations,
    SlotOutcome,
    SlotStatus,
)
from euguess.storage import ObjectStore
from services.fetcher.calls import ProviderPaused
from services.fetcher.context import FetchContext
from services.fetcher.lease import LeaseLost, SlotLease
from services.fetcher.slot import MAX_REASON_LENGTH, SlotFetcher, outcome_of

logger = logging.getLogger(__name__)

FINISH_SECONDS = 3.0  # for calls in progress when the fetcher stops
STOPPING = "the fetcher is stopping"

Slot = asyncio.Task[SlotOutcome | None]
OpenContext = Callable[[str], FetchContext]  # by the provider's name


class MessageFetcher:
    """Processes messages. Caches providers, and the specs of datasets, which never change."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        open_context: OpenContext,
        lease_seconds: float,
        stopping: asyncio.Event | None = None,
    ) -> None:
        self._store = store
        self._ledger = ledger
        self._open_context = open_context
        self._lease_seconds = lease_seconds
        self._stopping = stopping or asyncio.Event()
        self._specs: dict[str, DatasetSpec] = {}
        self._contexts: dict[str, FetchContext] = {}

    async def fetch(self, text: str) -> None:
        """Bring each slot of a message to an outcome and announce it.

        A slot that another delivery of the message has begun is left alone. A message that does
        not validate, or whose dataset is unknown, becomes a dead letter and is not retried. Once
        `stopping` is set, slots that do not end soon are deferred.
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
            await self._return_slots(await self._begin(message), SlotStatus.RETRY, reason)
        except ProviderPaused as error:
            await self._return_slots(await self._begin(message), SlotStatus.DEFERRED, str(error))
        else:
            await self._fetch_slots(context, spec, message)

    async def _fetch_slots(
        self, context: FetchContext, spec: DatasetSpec, message: FetchLocations
    ) -> None:
        started = time.monotonic()
        leases = await self._begin(message)
        slots = [asyncio.create_task(self._fetch_slot(context, spec, lease)) for lease in leases]
        async with self._cut_short_on_stop(context, slots):
            results = await asyncio.gather(*slots, return_exceptions=True)
        _report(spec.name, results, time.monotonic() - started)
        pairs = zip(leases, slots, strict=True)
        cut = [lease for lease, slot in pairs if slot.cancelled() and not lease.is_lost]
        await self._return_slots(cut, SlotStatus.DEFERRED, STOPPING)
        errors = [result for result in results if isinstance(result, Exception)]
        if errors:  # an error of Redis: the leases expire, and the slots are published again
            raise errors[0]

    async def _begin(self, message: FetchLocations) -> list[SlotLease]:
        """Begin the slots that no newer publication and no other delivery has begun."""
        dataset, seconds, owner = message.dataset, self._lease_seconds, secrets.token_hex(8)
        fences = {request.slot: request.fence for request in message.slots}
        begun = await self._ledger.begin(dataset, fences, owner, seconds)
        return [
            SlotLease(self._ledger, dataset, request, owner, seconds)
            for request in message.slots
            if request.slot in begun
        ]

    async def _fetch_slot(
        self, context: FetchContext, spec: DatasetSpec, lease: SlotLease
    ) -> SlotOutcome | None:
        """Fetch one slot; None if its lease is lost, and another fetcher ends it."""
        with contextlib.suppress(LeaseLost):
            async with lease.kept():
                outcome = await SlotFetcher(context, spec, lease).run()
            if not outcome.status.is_final:
                lease.check()
            await self._ledger.record(outcome)
            return outcome
        return None

    @contextlib.asynccontextmanager
    async def _cut_short_on_stop(
        self, context: FetchContext, slots: Sequence[Slot]
    ) -> AsyncIterator[None]:
        watch = asyncio.create_task(self._cut_short(context, slots))
        try:
            yield
        finally:
            watch.cancel()

    async def _cut_short(self, context: FetchContext, slots: Sequence[Slot]) -> None:
        """After the stop, start no more calls, and cancel what does not end soon."""
        await self._stopping.wait()
        context.calls.circuit.open()
        while not all(slot.done() for slot in slots):
            # More than once: before Python 3.12 redis-py can swallow a cancellation.
            await asyncio.wait(slots, timeout=FINISH_SECONDS)
            for slot in slots:
                slot.cancel()

    async def _return_slots(
        self, leases: Sequence[SlotLease], status: SlotStatus, reason: str
    ) -> None:
        """Announce that slots cannot be fetched for now."""
        fields = {"reason": reason[:MAX_REASON_LENGTH]}
        for lease in leases:
            outcome = outcome_of(lease.dataset, lease.request, status, **fields)
            await self._ledger.record(outcome)

    async def _context(self, provider: str) -> FetchContext:
        """Return a provider's context. Raises ProviderPaused, also if the settings forbid it."""
        if self._stopping.is_set():
            raise ProviderPaused(STOPPING)
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


def _report(
    dataset: str, results: Sequence[SlotOutcome | BaseException | None], seconds: float
) -> None:
    outcomes = [result for result in results if isinstance(result, SlotOutcome)]
    counts = Counter(outcome.status.value for outcome in outcomes)
    images = sum(outcome.images for outcome in outcomes)
    fields = {"action": "message", "images": images, "seconds": round(seconds, 2), **counts}
    logger.info("%d slots of %s are done", len(outcomes), dataset, extra=fields)
