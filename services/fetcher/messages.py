"""One message: up to 50 slots side by side in one event loop."""

import asyncio
import contextlib
import logging
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from pydantic import ValidationError
from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.datasets import read_spec
from euguess.errors import DatasetNotFound, EUGuessError, InvalidInput, StoreError
from euguess.messages.collection import (
    DatasetSpec,
    DeadLetter,
    FetchLocations,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from services.fetcher.calls import Calls
from services.fetcher.fetch import SlotFetcher, outcome_of
from services.fetcher.location import Stores, Tools
from services.fetcher.providers import StreetImageProvider

logger = logging.getLogger(__name__)

MESSAGE_SECONDS = 120.0  # of a slot; well below the task's hard limit of 240 s
RENEWALS_PER_LEASE = 3


OpenProvider = Callable[[str], tuple[StreetImageProvider, Calls]]


class Outdated(EUGuessError):
    """A newer publication of the slot is on its way."""


class MessageFetcher:
    """Works on messages; specs of datasets never change and are kept, as are providers."""

    def __init__(
        self,
        stores: Stores,
        open_provider: OpenProvider,
        lease_seconds: float,
    ) -> None:
        self._stores = stores
        self._ledger = stores.ledger
        self._open_provider = open_provider
        self._lease_seconds = lease_seconds
        self._specs: dict[str, DatasetSpec] = {}
        self._tools: dict[str, Tools] = {}

    async def fetch(self, text: str) -> None:
        """Bring each slot of a message to an outcome and announce it.

        A message that does not validate, or whose dataset is unknown, goes to the dead letters
        and is not tried again.
        """
        try:
            message = FetchLocations.model_validate_json(text)
            spec = await self._spec(message.dataset)
        except ValidationError as error:
            first = error.errors()[0]
            await self._bury(text, f"{'.'.join(map(str, first['loc']))}: {first['msg']}")
        except DatasetNotFound as error:
            await self._bury(text, str(error))
        except StoreError as error:
            await self._give_back(message, f"{type(error).__name__}: {error}")
        else:
            await self._fetch_slots(spec, message)

    async def _fetch_slots(self, spec: DatasetSpec, message: FetchLocations) -> None:
        if spec.provider in self._tools:
            self._tools[spec.provider].calls.circuit.close()
        slots = (self._fetch_slot(spec, request) for request in message.slots)
        started = time.monotonic()
        ended = await asyncio.gather(*slots, return_exceptions=True)
        _report(spec.name, ended, time.monotonic() - started)
        troubles = [one for one in ended if isinstance(one, BaseException)]
        if troubles:  # of Redis: the leases of these slots run out, and they are sent again
            raise troubles[0]

    async def _fetch_slot(self, spec: DatasetSpec, request: SlotRequest) -> SlotOutcome | None:
        ledger, slot = self._ledger, request.slot
        if not await ledger.begin(spec.name, slot, request.attempt, self._lease_seconds):
            return None  # a newer publication of the slot is on its way
        try:
            async with self._leased(spec.name, request):
                outcome = await self._outcome(spec, request)
        except Outdated:
            return None
        await ledger.record(outcome)
        return outcome

    async def _give_back(self, message: FetchLocations, reason: str) -> None:
        """Not a single slot can be worked on for now."""
        for request in message.slots:
            outcome = outcome_of(message.dataset, request, SlotStatus.RETRY, reason=reason[:500])
            await self._ledger.record(outcome)

    async def _outcome(self, spec: DatasetSpec, request: SlotRequest) -> SlotOutcome:
        """The outcome of a slot; what is unexpected is the trouble of this slot only."""
        try:
            paused = await self._ledger.paused(spec.provider)
            if paused is not None:
                return outcome_of(spec.name, request, SlotStatus.DEFERRED, reason=paused)
            tools = self._tools_of(spec.provider)
            async with asyncio.timeout(MESSAGE_SECONDS):
                return await SlotFetcher(tools, spec, request).run()
        except TimeoutError as error:
            reason = f"not finished within {MESSAGE_SECONDS:g} s"
            where = {"action": "slot", "where": _place_of(error.__cause__ or error)}
            logger.warning("slot %s is given back: %s", request.slot, reason, extra=where)
        except RedisError:
            raise
        except InvalidInput as error:  # of the settings: no key, terms not accepted
            await self._ledger.pause(spec.provider, str(error), None)
            return outcome_of(spec.name, request, SlotStatus.DEFERRED, reason=str(error))
        except EUGuessError as error:
            reason = f"{type(error).__name__}: {error}"[:500]
        except Exception as error:
            reason = f"unexpected {type(error).__name__}"
            # No message of the error: it may hold an address with a key.
            where = {"action": "slot", "reason": reason, "where": _place_of(error)}
            logger.error("slot %s failed unexpectedly", request.slot, extra=where)
        return outcome_of(spec.name, request, SlotStatus.RETRY, reason=reason)

    @contextlib.asynccontextmanager
    async def _leased(self, dataset: str, request: SlotRequest) -> AsyncIterator[None]:
        """Prolong the lease meanwhile. Raises Outdated once a newer publication has taken it."""
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
        """Ends by the event, not by cancelling: before Python 3.12 `asyncio.wait_for`, with which
        redis-py sends, can swallow a cancellation, and the lease would be kept for ever."""
        is_ours = True
        while is_ours:
            if await _happens(ended, self._lease_seconds / RENEWALS_PER_LEASE):
                return
            with contextlib.suppress(RedisError):
                is_ours = await self._ledger.begin(
                    dataset, request.slot, request.attempt, self._lease_seconds
                )
        raise Outdated

    def _tools_of(self, provider_name: str) -> Tools:
        if provider_name not in self._tools:
            provider, calls = self._open_provider(provider_name)
            self._tools[provider_name] = Tools(provider, calls, self._stores)
        return self._tools[provider_name]

    async def _spec(self, dataset: str) -> DatasetSpec:
        if dataset not in self._specs:
            self._specs[dataset] = await read_spec(self._stores.store, dataset)
        return self._specs[dataset]

    async def _bury(self, text: str, reason: str) -> None:
        letter = DeadLetter(source="fetcher", reason=reason, payload=text[:10_000], at=utc_now())
        await self._ledger.bury(letter)


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event happens within that time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
    return event.is_set()


def _report(
    dataset: str, ended: Sequence[SlotOutcome | BaseException | None], seconds: float
) -> None:
    outcomes = [one for one in ended if isinstance(one, SlotOutcome)]
    counts = Counter(outcome.status.value for outcome in outcomes)
    images = sum(outcome.images for outcome in outcomes)
    fields = {"action": "message", "images": images, "seconds": round(seconds, 2), **counts}
    logger.info("%d slots of %s are done", len(outcomes), dataset, extra=fields)


def _place_of(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
