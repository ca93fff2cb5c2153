"""One view of a panorama: downloaded once, verified, stored."""

import hashlib
from collections.abc import Sequence

from euguess.collection.ledger import Ledger
from euguess.messages.collection import ViewRecord
from euguess.storage import ObjectStore
from services.fetcher.allowance import Allowance
from services.fetcher.calls import Calls
from services.fetcher.providers import ProviderTrouble, StreetImageProvider, View
from services.fetcher.verification import verify_view


class ViewFetcher:
    """Downloads views of one dataset. Each paid call is noted before it is made.

    Images billed are at most those stored plus those that the ledger counts as possibly paid.
    """

    def __init__(
        self,
        provider: StreetImageProvider,
        calls: Calls,
        store: ObjectStore,
        ledger: Ledger,
        dataset: str,
    ) -> None:
        self._provider = provider
        self._calls = calls
        self._store = store
        self._ledger = ledger
        self._dataset = dataset

    async def fetch(
        self, panorama_id: str, view: View, key: str, allowance: Allowance
    ) -> ViewRecord:
        """The view, stored. Raises GivenUp, ProviderPaused or BudgetSpent."""
        data = await self._calls.make(lambda: self._download(panorama_id, view, key, allowance))
        if not await self._store.create(key, data):
            data = await self._store.get(key)
        return _record(view, key, data)

    async def recall(self, view: View, key: str) -> ViewRecord:
        """A view that an earlier attempt stored; it is not paid for again."""
        return _record(view, key, await self._store.get(key))

    async def settle(self, keys: Sequence[str]) -> None:
        """The views are committed: nothing about their payment is open."""
        await self._ledger.settle(self._dataset, keys)

    async def _download(
        self, panorama_id: str, view: View, key: str, allowance: Allowance
    ) -> bytes:
        """Verified bytes. Each call is noted by itself, since each may be billed."""
        await allowance.use()
        if not await self._ledger.intend(self._dataset, key):
            await self._ledger.count_possibly_paid(self._dataset)
        try:
            data = await self._provider.fetch(panorama_id, view)
            verify_view(data, view.size)
        except ProviderTrouble as trouble:
            if not trouble.may_be_billed:
                await self._ledger.settle(self._dataset, [key])
                allowance.refund()
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
