"""One message: up to 50 slots side by side in one event loop."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable

from pydantic import ValidationError
from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.datasets import read_spec
from euguess.errors import EUGuessError, InvalidInput
from euguess.schemas import (
    DatasetSpec,
    DeadLetter,
    FetchLocations,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from services.fetcher.calls import Calls
from services.fetcher.fetch import SlotFetcher, Stores, Tools, outcome_of
from services.fetcher.providers import StreetImageProvider

logger = logging.getLogger(__name__)

MESSAGE_SECONDS = 200.0  # below the task's hard limit of 240 s
LEASES_PER_RENEWAL = 3  # a lease is prolonged when a third of it is over


OpenProvider = Callable[[str], tuple[StreetImageProvider, Calls]]


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

        A message that does not validate goes to the dead letters and is not tried again.
        """
        try:
            message = FetchLocations.model_validate_json(text)
        except ValidationError as error:
            await self._bury(text, error)
            return
        spec = await self._spec(message.dataset)
        slots = (self._fetch_slot(spec, request) for request in message.slots)
        ended = await asyncio.gather(*slots, return_exceptions=True)
        troubles = [one for one in ended if isinstance(one, BaseException)]
        if troubles:  # of Redis: the leases of these slots run out, and they are sent again
            raise troubles[0]

    async def _fetch_slot(self, spec: DatasetSpec, request: SlotRequest) -> None:
        ledger, slot = self._ledger, request.slot
        if not await ledger.begin(spec.name, slot, request.attempt, self._lease_seconds):
            return  # a newer publication of the slot is on its way
        async with self._leased(spec.name, request):
            outcome = await self._outcome(spec, request)
        await ledger.record(outcome)

    async def _outcome(self, spec: DatasetSpec, request: SlotRequest) -> SlotOutcome:
        """The outcome of a slot; what is unexpected is the trouble of this slot only."""
        try:
            paused = await self._ledger.paused(spec.provider)
            if paused is not None:
                return outcome_of(spec.name, request, SlotStatus.DEFERRED, reason=paused)
            tools = self._tools_of(spec.provider)
            async with asyncio.timeout(MESSAGE_SECONDS):
                return await SlotFetcher(tools, spec, request).run()
        except TimeoutError:
            reason = f"not finished within {MESSAGE_SECONDS:g} s"
        except RedisError:
            raise
        except InvalidInput as error:  # of the settings: no key, terms not accepted
            await self._ledger.pause(spec.provider, str(error), None)
            return outcome_of(spec.name, request, SlotStatus.DEFERRED, reason=str(error))
        except EUGuessError as error:
            reason = f"{type(error).__name__}: {error}"[:500]
        except Exception as error:
            logger.exception("slot %s failed unexpectedly", request.slot, extra={"action": "slot"})
            reason = f"unexpected {type(error).__name__}"
        return outcome_of(spec.name, request, SlotStatus.RETRY, reason=reason)

    @contextlib.asynccontextmanager
    async def _leased(self, dataset: str, request: SlotRequest) -> AsyncIterator[None]:
        renewal = asyncio.create_task(self._renew(dataset, request))
        try:
            yield
        finally:
            renewal.cancel()

    async def _renew(self, dataset: str, request: SlotRequest) -> None:
        while True:
            await asyncio.sleep(self._lease_seconds / LEASES_PER_RENEWAL)
            with contextlib.suppress(RedisError):
                await self._ledger.begin(
                    dataset, request.slot, request.attempt, self._lease_seconds
                )

    def _tools_of(self, provider_name: str) -> Tools:
        if provider_name not in self._tools:
            provider, calls = self._open_provider(provider_name)
            self._tools[provider_name] = Tools(provider, calls, self._stores)
        return self._tools[provider_name]

    async def _spec(self, dataset: str) -> DatasetSpec:
        if dataset not in self._specs:
            self._specs[dataset] = await read_spec(self._stores.store, dataset)
        return self._specs[dataset]

    async def _bury(self, text: str, error: ValidationError) -> None:
        first = error.errors()[0]
        reason = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        letter = DeadLetter(source="fetcher", reason=reason, payload=text[:10_000], at=utc_now())
        await self._ledger.bury(letter)
