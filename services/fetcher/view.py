"""Download one view of a panorama once, verify it and store it."""

import asyncio
import hashlib

from euguess.errors import StoreError
from euguess.messages.collection import ViewRecord
from services.fetcher.checks import check_image
from services.fetcher.context import AttemptStats, FetchContext
from services.fetcher.lease import SlotLease
from services.fetcher.providers import ProviderError, View
from services.fetcher.reservation import BudgetReservation

FIRST_RETRY_SECONDS = 0.2
MAX_RETRY_SECONDS = 5.0


class ViewFetcher:
    """Downloads and stores views of one slot.

    Images billed are never more than those in the account: each call is reserved before it is
    made, and is released only if it was certainly not billed.
    """

    def __init__(self, context: FetchContext, lease: SlotLease, stats: AttemptStats) -> None:
        self._context = context
        self._lease = lease
        self._stats = stats

    async def fetch(
        self, panorama_id: str, view: View, key: str, reservation: BudgetReservation
    ) -> ViewRecord:
        """Download and store a view, unless an earlier attempt has downloaded it.

        While the store fails, it tries again until it is cancelled, since the image is paid for.
        Raises as LocationFetcher.store.
        """
        paid = self._context.paid
        if key not in paid:
            data = await self._context.calls.make(
                lambda: self._download(panorama_id, view, reservation)
            )
            paid.keep(key, data)
        stored = await self._store(key, paid[key])
        paid.drop(key)
        return _record(view, key, stored)

    async def read_stored(self, view: View, key: str) -> ViewRecord:
        """Read a view that an earlier attempt stored, instead of paying for it again."""
        return _record(view, key, await self._context.store.get(key))

    async def _download(
        self, panorama_id: str, view: View, reservation: BudgetReservation
    ) -> bytes:
        """Return verified bytes. Every call is counted, since each one may be billed."""
        await self._lease.confirm()
        await reservation.use()
        try:
            data = await self._context.provider.fetch(panorama_id, view)
            await asyncio.to_thread(check_image, data, view.size)
        except ProviderError as error:
            if not error.may_be_billed:
                reservation.refund()
            raise
        self._stats.images += 1
        self._stats.bytes += len(data)
        return data

    async def _store(self, key: str, data: bytes) -> bytes:
        """Return the bytes that are stored: these, or those of an earlier attempt."""
        seconds, store = FIRST_RETRY_SECONDS, self._context.store
        while True:
            try:
                return data if await store.create(key, data) else await store.get(key)
            except StoreError:
                await asyncio.sleep(seconds)
                seconds = min(2 * seconds, MAX_RETRY_SECONDS)


def _record(view: View, key: str, data: bytes) -> ViewRecord:
    return ViewRecord(
        key=key,
        heading=view.heading,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=view.size,
        height=view.size,
    )
