"""Download one view of a panorama once, verify it and store it."""

import hashlib
from collections.abc import Sequence

from euguess.messages.collection import ViewRecord
from services.fetcher.checks import check_image
from services.fetcher.context import FetchContext
from services.fetcher.lease import SlotLease
from services.fetcher.providers import ProviderError, View
from services.fetcher.reservation import BudgetReservation


class ViewFetcher:
    """Downloads views of one dataset. Each paid call is noted before it is made.

    The images billed are at most those stored plus those the ledger counts as possibly paid.
    """

    def __init__(self, context: FetchContext, dataset: str, lease: SlotLease) -> None:
        self._context = context
        self._dataset = dataset
        self._lease = lease

    async def fetch(
        self, panorama_id: str, view: View, key: str, reservation: BudgetReservation
    ) -> ViewRecord:
        """Download and store a view. Raises as LocationFetcher.store."""
        data = await self._context.calls.make(
            lambda: self._download(panorama_id, view, key, reservation)
        )
        if not await self._context.store.create(key, data):
            data = await self._context.store.get(key)
        return _record(view, key, data)

    async def read_stored(self, view: View, key: str) -> ViewRecord:
        """Read a view that an earlier attempt stored, instead of paying for it again."""
        return _record(view, key, await self._context.store.get(key))

    async def settle(self, keys: Sequence[str]) -> None:
        """Close the payments of views whose location is committed."""
        await self._context.ledger.settle(self._dataset, keys)

    async def _download(
        self, panorama_id: str, view: View, key: str, reservation: BudgetReservation
    ) -> bytes:
        """Return verified bytes. Every call is noted, since each one may be billed."""
        ledger = self._context.ledger
        self._lease.check()
        await reservation.use()
        if not await ledger.intend(self._dataset, key):
            await ledger.count_possibly_paid(self._dataset)
        try:
            data = await self._context.provider.fetch(panorama_id, view)
            check_image(data, view.size)
        except ProviderError as error:
            if not error.may_be_billed:
                await ledger.settle(self._dataset, [key])
                reservation.refund()
            raise
        return data


def _record(view: View, key: str, data: bytes) -> ViewRecord:
    return ViewRecord(
        key=key,
        heading=view.heading,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=view.size,
        height=view.size,
    )
