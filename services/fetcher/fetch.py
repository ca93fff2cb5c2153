"""From a slot to its outcome: find a panorama, check it, store its views, commit.

Everything may be done twice: keys are functions of what they hold, and the first commit wins.
"""

import time

from euguess.clock import utc_now
from euguess.collection.budget import BudgetSpent
from euguess.collection.layout import slot_key
from euguess.errors import ObjectNotFound
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from services.fetcher.calls import GivenUp, ProviderPaused
from services.fetcher.checks import Demand, place
from services.fetcher.location import Effort, Found, LocationFetcher, Tools
from services.fetcher.retry import Step


class SlotFetcher:
    """Brings one slot of a dataset to an outcome."""

    def __init__(self, tools: Tools, spec: DatasetSpec, request: SlotRequest) -> None:
        self._tools = tools
        self._spec = spec
        self._request = request
        self._slot = request.slot
        self._effort = Effort()
        self._location = LocationFetcher(tools, spec, request.slot, self._effort)

    async def run(self) -> SlotOutcome:
        """The outcome, committed to the store when it is final; announcing it is the caller's."""
        earlier = await self._earlier_outcome()
        if earlier is not None:
            return earlier
        try:
            location_id = await self._first_good_candidate()
        except GivenUp as end:
            return await self._given_up(end)
        except ProviderPaused:
            reason = f"{self._tools.provider.name} is paused"
            return self._outcome(SlotStatus.DEFERRED, reason=reason)
        except BudgetSpent as end:
            return self._outcome(SlotStatus.DEFERRED, reason=str(end))
        if location_id is None:
            return self._outcome(SlotStatus.EXHAUSTED)
        return await self._commit(self._outcome(SlotStatus.STORED, location_id=location_id))

    async def _earlier_outcome(self) -> SlotOutcome | None:
        """That of an attempt which ended after its commit and before its announcement."""
        try:
            body = await self._tools.store.get(slot_key(self._spec.name, self._slot))
        except ObjectNotFound:
            return None
        return SlotOutcome.model_validate_json(body)

    async def _first_good_candidate(self) -> str | None:
        for lat, lon in self._request.candidates:
            self._effort.tried += 1
            refusal = await self._try(Coordinate(lat, lon))
            if not isinstance(refusal, str):
                return refusal.location_id
            self._effort.rejections[refusal] += 1
        return None

    async def _try(self, candidate: Coordinate) -> LocationRecord | str:
        """The stored location, or why this candidate gives none."""
        provider, calls = self._tools.provider, self._tools.calls
        try:
            panorama = await calls.make(lambda: provider.find(candidate, self._spec.radius_m))
        except GivenUp as end:
            if end.decision.step is Step.SKIP_CANDIDATE:
                return "bad_metadata"
            raise
        if panorama is None:
            return "no_imagery"
        demand = Demand(self._slot.country_code, self._spec.radius_m, self._spec.border_buffer_km)
        placement = place(panorama, candidate, demand, self._tools.stores.boundaries)
        if isinstance(placement, str):
            return placement
        return await self._location.store(Found(panorama, candidate, placement))

    async def _given_up(self, end: GivenUp) -> SlotOutcome:
        step, reason = end.decision.step, f"{self._tools.provider.name}: {end}"
        if step is Step.PAUSE_PROVIDER:
            provider = self._tools.provider.name
            await self._tools.ledger.pause(self._spec.provider, reason, end.decision.seconds)
            return self._outcome(SlotStatus.DEFERRED, reason=f"{provider} is paused")
        if step is Step.FAIL_SLOT:
            return await self._commit(self._outcome(SlotStatus.FAILED, reason=reason))
        return self._outcome(SlotStatus.RETRY, reason=reason)

    async def _commit(self, outcome: SlotOutcome) -> SlotOutcome:
        """Write a final outcome; an earlier one stays and is the answer."""
        key = slot_key(self._spec.name, self._slot)
        if await self._tools.store.create(key, outcome.model_dump_json().encode()):
            return outcome
        return SlotOutcome.model_validate_json(await self._tools.store.get(key))

    def _outcome(
        self, status: SlotStatus, *, location_id: str | None = None, reason: str | None = None
    ) -> SlotOutcome:
        effort = self._effort
        return outcome_of(
            self._spec.name,
            self._request,
            status,
            location_id=location_id,
            reason=reason,
            candidates_tried=effort.tried,
            rejections=dict(effort.rejections),
            images=effort.images,
            bytes=effort.bytes,
            cost=effort.images * self._tools.provider.price_per_image,
            duration_seconds=round(time.monotonic() - effort.started, 3),
        )


def outcome_of(
    dataset: str, request: SlotRequest, status: SlotStatus, **fields: object
) -> SlotOutcome:
    """An outcome of a request, now."""
    known = {
        "dataset": dataset,
        "slot": request.slot,
        "attempt": request.attempt,
        "status": status,
        "finished_at": utc_now(),
    }
    return SlotOutcome.model_validate({**known, **fields})
