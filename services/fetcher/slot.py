"""Bring one slot to its outcome: find a panorama, check it, store its views, commit.

Every step can be repeated: keys depend only on content, and the first commit wins.
"""

import asyncio
import logging
import time
import traceback
from pathlib import Path

from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.budget import BudgetSpent
from euguess.collection.layout import slot_key
from euguess.errors import EUGuessError, ObjectNotFound
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from services.fetcher.calls import (
    CandidateUnusable,
    PermanentFailure,
    ProviderPaused,
    ProviderRefused,
    TransientFailure,
)
from services.fetcher.checks import Rejection, Requirements, check_panorama
from services.fetcher.context import AttemptStats, FetchContext
from services.fetcher.lease import LeaseLost, SlotLease
from services.fetcher.location import AcceptedPanorama, LocationFetcher

logger = logging.getLogger(__name__)

SLOT_SECONDS = 120.0  # well below the task's hard limit of 240 s
MAX_REASON_LENGTH = 500


class SlotFetcher:
    """Makes one attempt at a slot, and decides how it ends."""

    def __init__(self, context: FetchContext, spec: DatasetSpec, lease: SlotLease) -> None:
        self._context = context
        self._spec = spec
        self._lease = lease
        self._request = lease.request
        self._slot = lease.request.slot
        self._stats = AttemptStats()
        self._location = LocationFetcher(context, spec, lease, self._stats)

    async def run(self) -> SlotOutcome:
        """Return the outcome, which is in the store if it is final. The caller announces it.

        Raises LeaseLost and Redis's errors only.
        """
        try:
            async with asyncio.timeout(SLOT_SECONDS):
                return await self._earlier_outcome() or await self._commit(await self._attempt())
        except (RedisError, LeaseLost):
            raise
        except Exception as error:
            return self._outcome(SlotStatus.RETRY, reason=self._retry_reason(error))

    async def _attempt(self) -> SlotOutcome:
        name = self._context.provider.name
        try:
            location = await self._first_usable_location()
        except ProviderRefused as error:
            reason = f"{name}: {error}"
            await self._context.ledger.pause(self._spec.provider, reason, error.pause_seconds)
            return self._outcome(SlotStatus.DEFERRED, reason=f"{name} is paused")
        except ProviderPaused:
            return self._outcome(SlotStatus.DEFERRED, reason=f"{name} is paused")
        except BudgetSpent as error:
            return self._outcome(SlotStatus.DEFERRED, reason=str(error))
        except PermanentFailure as error:
            return self._outcome(SlotStatus.FAILED, reason=f"{name}: {error}")
        except TransientFailure as error:
            return self._outcome(SlotStatus.RETRY, reason=f"{name}: {error}")
        if location is None:
            return self._outcome(SlotStatus.EXHAUSTED)
        return self._outcome(SlotStatus.STORED, location_id=location.location_id)

    def _retry_reason(self, error: Exception) -> str:
        where = {"action": "slot", "where": _source_line(error.__cause__ or error)}
        if isinstance(error, TimeoutError):
            reason = f"not finished within {SLOT_SECONDS:g} s"
            logger.warning("slot %s is returned: %s", self._slot, reason, extra=where)
        elif isinstance(error, EUGuessError):
            reason = f"{type(error).__name__}: {error}"
        else:
            reason = f"unexpected {type(error).__name__}"
            # Keep the error's own text out of the log: it may contain a URL with a key.
            extra = {**where, "reason": reason}
            logger.error("slot %s failed unexpectedly", self._slot, extra=extra)
        return reason

    async def _earlier_outcome(self) -> SlotOutcome | None:
        """Return the outcome of an attempt that ended between its commit and its announcement."""
        try:
            body = await self._context.store.get(slot_key(self._spec.name, self._slot))
        except ObjectNotFound:
            return None
        return SlotOutcome.model_validate_json(body)

    async def _first_usable_location(self) -> LocationRecord | None:
        for lat, lon in self._request.candidates:
            self._lease.check()
            self._stats.candidates_tried += 1
            result = await self._try(Coordinate(lat, lon))
            if isinstance(result, LocationRecord):
                return result
            self._stats.rejections[result] += 1
        return None

    async def _try(self, candidate: Coordinate) -> LocationRecord | Rejection:
        """Return the location stored for a candidate, or the reason to reject the candidate."""
        context, spec = self._context, self._spec
        try:
            panorama = await context.calls.make(
                lambda: context.provider.find(candidate, spec.radius_m)
            )
        except CandidateUnusable:
            return Rejection.BAD_METADATA
        if panorama is None:
            return Rejection.NO_IMAGERY
        requirements = Requirements(self._slot.country_code, spec.radius_m, spec.border_buffer_km)
        placement = check_panorama(panorama, candidate, requirements, context.boundaries)
        if isinstance(placement, Rejection):
            return placement
        return await self._location.store(AcceptedPanorama(panorama, candidate, placement))

    async def _commit(self, outcome: SlotOutcome) -> SlotOutcome:
        """Store a final outcome; if another one was first, return that one."""
        if not outcome.status.is_final:
            return outcome
        key = slot_key(self._spec.name, self._slot)
        if await self._context.store.create(key, outcome.model_dump_json().encode()):
            return outcome
        return SlotOutcome.model_validate_json(await self._context.store.get(key))

    def _outcome(
        self, status: SlotStatus, *, location_id: str | None = None, reason: str | None = None
    ) -> SlotOutcome:
        stats = self._stats
        return outcome_of(
            self._spec.name,
            self._request,
            status,
            location_id=location_id,
            reason=reason and reason[:MAX_REASON_LENGTH],
            candidates_tried=stats.candidates_tried,
            rejections=dict(stats.rejections),
            images=stats.images,
            bytes=stats.bytes,
            cost=stats.images * self._context.provider.price_per_image,
            duration_seconds=round(time.monotonic() - stats.started, 3),
        )


def outcome_of(
    dataset: str, request: SlotRequest, status: SlotStatus, **fields: object
) -> SlotOutcome:
    """Build the outcome of a request that ends now."""
    known = {
        "dataset": dataset,
        "slot": request.slot,
        "fence": request.fence,
        "status": status,
        "finished_at": utc_now(),
    }
    return SlotOutcome.model_validate({**known, **fields})


def _source_line(error: BaseException) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}:{last.lineno}"
