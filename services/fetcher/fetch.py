"""From a slot to its outcome: find a panorama, check it, store its views, commit.

Everything may be done twice: keys are functions of what they hold, and the first commit wins.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from euguess.boundaries import Boundaries
from euguess.clock import utc_now
from euguess.errors import ObjectNotFound
from euguess.layout import location_key, slot_key, view_key
from euguess.ledger import Ledger
from euguess.locations import Coordinate
from euguess.schemas import (
    DatasetSpec,
    LocationRecord,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
    ViewRecord,
)
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls, GivenUp
from services.fetcher.checks import Demand, Placement, place
from services.fetcher.providers import Panorama, StreetImageProvider, View
from services.fetcher.retry import Step
from services.fetcher.views import ViewFetcher


@dataclass(frozen=True, slots=True)
class Stores:
    """What all datasets share."""

    store: ObjectStore
    ledger: Ledger
    boundaries: Boundaries


@dataclass(frozen=True, slots=True)
class Tools:
    """What the work on a slot needs."""

    provider: StreetImageProvider
    calls: Calls
    stores: Stores

    @property
    def store(self) -> ObjectStore:
        return self.stores.store

    @property
    def ledger(self) -> Ledger:
        return self.stores.ledger


@dataclass(slots=True)
class Effort:
    """What was spent on a slot in this attempt."""

    started: float = field(default_factory=time.monotonic)
    tried: int = 0
    images: int = 0
    bytes: int = 0
    rejections: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Found:
    """A panorama that was accepted for a slot."""

    panorama: Panorama
    candidate: Coordinate
    placement: Placement


class SlotFetcher:
    """Brings one slot of a dataset to an outcome."""

    def __init__(self, tools: Tools, spec: DatasetSpec, request: SlotRequest) -> None:
        self._tools = tools
        self._spec = spec
        self._request = request
        self._slot = request.slot
        self._effort = Effort()
        self._views = ViewFetcher(tools.provider, tools.calls, tools.store, tools.ledger, spec.name)

    async def run(self) -> SlotOutcome:
        """The outcome, committed to the store when it is final; announcing it is the caller's."""
        earlier = await self._earlier_outcome()
        if earlier is not None:
            return earlier
        try:
            location_id = await self._first_good_candidate()
        except GivenUp as end:
            return await self._given_up(end)
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
        panorama = await calls.make(lambda: provider.find(candidate, self._spec.radius_m))
        if panorama is None:
            return "no_imagery"
        demand = Demand(self._slot.country_code, self._spec.radius_m, self._spec.border_buffer_km)
        placement = place(panorama, candidate, demand, self._tools.stores.boundaries)
        if isinstance(placement, str):
            return placement
        return await self._store(Found(panorama, candidate, placement))

    async def _store(self, found: Found) -> LocationRecord | str:
        location_id = f"{self._tools.provider.name}-{found.panorama.panorama_id}"
        holder = await self._holder(location_id)
        if holder is not None:
            return holder if holder.slot == self._slot else "duplicate"
        name = self._spec.name
        if not await self._tools.ledger.reserve_panorama(name, location_id, self._slot):
            return "duplicate"
        try:
            views = await self._fetch_views(location_id, found.panorama)
        except GivenUp as end:
            if end.decision.step is Step.SKIP_CANDIDATE:
                return "bad_imagery"
            raise
        return await self._record(self._location(location_id, found, views))

    async def _holder(self, location_id: str) -> LocationRecord | None:
        """The record of a panorama that is stored already."""
        key = location_key(self._spec.name, self._slot.country_code, location_id)
        try:
            return LocationRecord.model_validate_json(await self._tools.store.get(key))
        except ObjectNotFound:
            return None

    async def _fetch_views(self, location_id: str, panorama: Panorama) -> list[ViewRecord]:
        spec, code = self._spec, self._slot.country_code
        wanted = [View(heading, spec.fov, spec.pitch, spec.size) for heading in spec.headings]
        keys = [view_key(spec.name, code, location_id, view.heading) for view in wanted]
        fetches = [
            self._views.fetch(panorama.panorama_id, view, key)
            for view, key in zip(wanted, keys, strict=True)
        ]
        # All are waited for, so that no call goes on behind the slot's back.
        ended = await asyncio.gather(*fetches, return_exceptions=True)
        results = [_result(one) for one in ended]
        paid = [record for record, is_paid in results if is_paid]
        self._effort.images += len(paid)
        self._effort.bytes += sum(record.bytes for record in paid)
        return [record for record, _ in results]

    async def _record(self, record: LocationRecord) -> LocationRecord | str:
        """Commit a location; another slot may have been faster after Redis was lost."""
        key = location_key(self._spec.name, self._slot.country_code, record.location_id)
        if not await self._tools.store.create(key, record.model_dump_json().encode()):
            holder = await self._holder(record.location_id)
            if holder is None or holder.slot != self._slot:
                return "duplicate"
        await self._views.settle([view.key for view in record.views])
        return record

    def _location(
        self, location_id: str, found: Found, views: Sequence[ViewRecord]
    ) -> LocationRecord:
        panorama = found.panorama
        return LocationRecord(
            location_id=location_id,
            dataset=self._spec.name,
            slot=self._slot,
            provider=self._tools.provider.name,
            panorama_id=panorama.panorama_id,
            country_code=self._slot.country_code,
            lat=panorama.coordinate.lat,
            lon=panorama.coordinate.lon,
            candidate_lat=found.candidate.lat,
            candidate_lon=found.candidate.lon,
            distance_m=round(found.placement.distance_m, 1),
            border_km=round(found.placement.border_km, 3),
            captured_at=panorama.captured_at,
            attribution=panorama.attribution,
            license=panorama.license,
            fov=self._spec.fov,
            views=tuple(views),
            fetched_at=utc_now(),
        )

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


def _result(ended: tuple[ViewRecord, bool] | BaseException) -> tuple[ViewRecord, bool]:
    if isinstance(ended, BaseException):
        raise ended
    return ended
