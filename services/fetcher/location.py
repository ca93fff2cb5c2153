"""Store an accepted panorama: its views first, its record last."""

import asyncio
from collections.abc import Sequence, Set
from dataclasses import dataclass

from euguess.clock import utc_now
from euguess.collection.layout import location_key, view_key
from euguess.errors import ObjectNotFound
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    ViewRecord,
)
from services.fetcher.calls import CandidateUnusable
from services.fetcher.checks import Placement, Rejection
from services.fetcher.context import AttemptStats, FetchContext
from services.fetcher.lease import LeaseLost, SlotLease
from services.fetcher.providers import Panorama, View
from services.fetcher.reservation import BudgetReservation
from services.fetcher.view import ViewFetcher


@dataclass(frozen=True, slots=True)
class AcceptedPanorama:
    """A panorama that passed the checks, with the candidate it was found for."""

    panorama: Panorama
    candidate: Coordinate
    placement: Placement


class LocationFetcher:
    """Stores the accepted panorama of one slot as a location."""

    def __init__(
        self, context: FetchContext, spec: DatasetSpec, lease: SlotLease, stats: AttemptStats
    ) -> None:
        self._context = context
        self._spec = spec
        self._lease = lease
        self._slot = lease.request.slot
        self._stats = stats
        self._views = ViewFetcher(context, lease, stats)

    async def store(self, accepted: AcceptedPanorama) -> LocationRecord | Rejection:
        """Return the committed location, or the reason to reject the panorama.

        Raises CallFailed, ProviderPaused, BudgetSpent or LeaseLost.
        """
        location_id = f"{self._context.provider.name}-{accepted.panorama.panorama_id}"
        name = self._spec.name
        if not await self._context.ledger.reserve_panorama(name, location_id, self._slot):
            return Rejection.DUPLICATE
        stored = await self._stored_views(location_id)
        existing = await self._existing_record(location_id) if stored else None
        if existing is not None:
            return self._adopt(existing)
        try:
            views = await self._fetch_views(location_id, accepted.panorama, stored)
        except CandidateUnusable:
            await self._discard(location_id)
            return Rejection.BAD_IMAGERY
        self._lease.check()
        return await self._commit(self._record(location_id, accepted, views))

    async def _existing_record(self, location_id: str) -> LocationRecord | None:
        key = location_key(self._spec.name, self._slot.country_code, location_id)
        try:
            return LocationRecord.model_validate_json(await self._context.store.get(key))
        except ObjectNotFound:
            return None

    def _adopt(self, record: LocationRecord) -> LocationRecord | Rejection:
        """Keep a record that an interrupted attempt of this slot stored; reject another slot's."""
        return record if record.slot == self._slot else Rejection.DUPLICATE

    async def _stored_views(self, location_id: str) -> set[str]:
        """Keys of images that an attempt stored; without any, there is no record either."""
        key = view_key(self._spec.name, self._slot.country_code, location_id, 0)
        prefix = f"{key.rpartition('/')[0]}/"
        return {key async for key in self._context.store.list(prefix)}

    async def _discard(self, location_id: str) -> None:
        """Delete the views of a rejected panorama, so that no image lacks a record."""
        for key in await self._stored_views(location_id):
            await self._context.store.delete(key)

    async def _fetch_views(
        self, location_id: str, panorama: Panorama, stored: Set[str]
    ) -> list[ViewRecord]:
        spec, code = self._spec, self._slot.country_code
        views = {
            view_key(spec.name, code, location_id, heading): View(
                heading, spec.fov, spec.pitch, spec.size
            )
            for heading in spec.headings
        }
        missing = [key for key in views.keys() - stored if key not in self._context.paid]
        async with self._reservation(location_id).of(len(missing)) as reservation:
            fetches = [
                self._views.read_stored(view, key)
                if key in stored
                else self._views.fetch(panorama.panorama_id, view, key, reservation)
                for key, view in views.items()
            ]
            # Wait for all of them, so that no call continues after the slot has ended.
            return _all_views(await asyncio.gather(*fetches, return_exceptions=True))

    def _reservation(self, location_id: str) -> BudgetReservation:
        context = self._context
        price = context.provider.price_per_image
        return BudgetReservation(
            context.budgets, context.store, self._spec.name, location_id, price
        )

    async def _commit(self, record: LocationRecord) -> LocationRecord | Rejection:
        """Store a record, unless another slot was faster after Redis lost its reservations."""
        key = location_key(self._spec.name, self._slot.country_code, record.location_id)
        if not await self._context.store.create(key, record.model_dump_json().encode()):
            existing = await self._existing_record(record.location_id)
            if existing is None or existing.slot != self._slot:
                return Rejection.DUPLICATE
        return record

    def _record(
        self, location_id: str, accepted: AcceptedPanorama, views: Sequence[ViewRecord]
    ) -> LocationRecord:
        panorama = accepted.panorama
        return LocationRecord(
            location_id=location_id,
            dataset=self._spec.name,
            slot=self._slot,
            provider=self._context.provider.name,
            panorama_id=panorama.panorama_id,
            country_code=self._slot.country_code,
            lat=panorama.coordinate.lat,
            lon=panorama.coordinate.lon,
            candidate_lat=accepted.candidate.lat,
            candidate_lon=accepted.candidate.lon,
            distance_m=round(accepted.placement.distance_m, 1),
            border_km=round(accepted.placement.border_km, 3),
            captured_at=panorama.captured_at,
            attribution=panorama.attribution,
            license=panorama.license,
            fov=self._spec.fov,
            views=tuple(views),
            fetched_at=utc_now(),
        )


def _all_views(results: Sequence[ViewRecord | BaseException]) -> list[ViewRecord]:
    """Return the views, or raise the most important error.

    Without the lease nothing may be discarded; an unusable panorama outweighs a temporary error.
    """
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise max(errors, key=_importance)
    return [result for result in results if isinstance(result, ViewRecord)]


def _importance(error: BaseException) -> tuple[bool, bool]:
    return isinstance(error, LeaseLost), isinstance(error, CandidateUnusable)
