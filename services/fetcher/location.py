"""Storing an accepted panorama: its views first, its record last."""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field

from euguess.clock import utc_now
from euguess.collection.budget import BudgetLedger
from euguess.collection.layout import location_key, view_key
from euguess.collection.ledger import Ledger
from euguess.errors import ObjectNotFound
from euguess.geography.boundaries import Boundaries
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotKey,
    ViewRecord,
)
from euguess.storage import ObjectStore
from services.fetcher.allowance import Allowance
from services.fetcher.calls import Calls, GivenUp
from services.fetcher.checks import Placement
from services.fetcher.providers import Panorama, StreetImageProvider, View
from services.fetcher.retry import Step
from services.fetcher.views import ViewFetcher


@dataclass(frozen=True, slots=True)
class Stores:
    """What all datasets share."""

    store: ObjectStore
    ledger: Ledger
    budgets: BudgetLedger
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


class LocationFetcher:
    """Brings an accepted panorama of one slot into the store."""

    def __init__(self, tools: Tools, spec: DatasetSpec, slot: SlotKey, effort: Effort) -> None:
        self._tools = tools
        self._spec = spec
        self._slot = slot
        self._effort = effort
        self._views = ViewFetcher(tools.provider, tools.calls, tools.store, tools.ledger, spec.name)

    async def store(self, found: Found) -> LocationRecord | str:
        """The committed location, or why there is none. Raises GivenUp, ProviderPaused
        or BudgetSpent."""
        location_id = f"{self._tools.provider.name}-{found.panorama.panorama_id}"
        name = self._spec.name
        if not await self._tools.ledger.reserve_panorama(name, location_id, self._slot):
            return "duplicate"
        stored = await self._stored_views(location_id)
        holder = await self._holder(location_id) if stored else None
        if holder is not None:
            return await self._held(holder)
        try:
            views = await self._fetch_views(location_id, found.panorama, stored)
        except GivenUp as end:
            if end.decision.step is Step.SKIP_CANDIDATE:
                await self._discard(location_id)
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

    async def _held(self, holder: LocationRecord) -> LocationRecord | str:
        """What a stored location means: an attempt of this slot was cut short, or another's."""
        if holder.slot != self._slot:
            return "duplicate"
        await self._views.settle([view.key for view in holder.views])
        return holder

    async def _stored_views(self, location_id: str) -> set[str]:
        """Keys of images that an attempt stored; without any, there is no record either."""
        key = view_key(self._spec.name, self._slot.country_code, location_id, 0)
        prefix = f"{key.rpartition('/')[0]}/"
        return {key async for key in self._tools.store.list(prefix)}

    async def _discard(self, location_id: str) -> None:
        """Remove the views of a panorama that is of no use, so that no image lacks a record."""
        for key in await self._stored_views(location_id):
            await self._tools.store.delete(key)

    async def _fetch_views(
        self, location_id: str, panorama: Panorama, stored: Set[str]
    ) -> list[ViewRecord]:
        spec, code = self._spec, self._slot.country_code
        wanted = {
            view_key(spec.name, code, location_id, heading): View(
                heading, spec.fov, spec.pitch, spec.size
            )
            for heading in spec.headings
        }
        missing = len(wanted.keys() - stored)
        async with self._allowance(location_id).of(missing) as allowance:
            fetches = [
                self._views.recall(view, key)
                if key in stored
                else self._pay(panorama, view, key, allowance)
                for key, view in wanted.items()
            ]
            # All are waited for, so that no call goes on behind the slot's back.
            return _results(await asyncio.gather(*fetches, return_exceptions=True))

    def _allowance(self, location_id: str) -> Allowance:
        tools = self._tools
        price = tools.provider.price_per_image
        budgets = tools.stores.budgets
        return Allowance(budgets, tools.store, self._spec.name, location_id, price)

    async def _pay(
        self, panorama: Panorama, view: View, key: str, allowance: Allowance
    ) -> ViewRecord:
        record = await self._views.fetch(panorama.panorama_id, view, key, allowance)
        self._effort.images += 1
        self._effort.bytes += record.bytes
        return record

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


def _results(ended: Sequence[ViewRecord | BaseException]) -> list[ViewRecord]:
    """The views; a useless panorama outweighs a passing trouble with another of its views."""
    errors = [one for one in ended if isinstance(one, BaseException)]
    if errors:
        raise max(errors, key=_is_useless)
    return [one for one in ended if isinstance(one, ViewRecord)]


def _is_useless(error: BaseException) -> bool:
    return isinstance(error, GivenUp) and error.decision.step is Step.SKIP_CANDIDATE
