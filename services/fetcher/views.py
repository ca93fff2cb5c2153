"""One view of a panorama: downloaded once, verified, stored."""

import asyncio
import hashlib
from collections.abc import Sequence

from euguess.errors import ObjectNotFound
from euguess.ledger import Ledger
from euguess.schemas import ViewRecord
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls
from services.fetcher.providers import StreetImageProvider, View
from services.fetcher.verification import verify_view


class ViewFetcher:
    """Downloads views of one dataset. Each paid call is noted before it is made."""

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

    async def fetch(self, panorama_id: str, view: View, key: str) -> tuple[ViewRecord, bool]:
        """The stored view, and whether it was paid for now. Raises GivenUp."""
        if not await self._ledger.intend(self._dataset, key):
            earlier = await self._stored(view, key)
            if earlier is not None:
                return earlier, False
            # Its caller was killed between the call and the store: it may have been billed.
            await self._ledger.count_possibly_paid(self._dataset)
        data = await self._calls.make(lambda: self._download(panorama_id, view))
        await self._store.put(key, data)
        return _record(view, key, data), True

    async def settle(self, keys: Sequence[str]) -> None:
        """The views are committed: nothing about their payment is open."""
        await self._ledger.settle(self._dataset, keys)

    async def _download(self, panorama_id: str, view: View) -> bytes:
        """Verified bytes; a bad image is a trouble like others, and is asked for again."""
        data = await self._provider.fetch(panorama_id, view)
        await asyncio.to_thread(verify_view, data, view.size)
        return data

    async def _stored(self, view: View, key: str) -> ViewRecord | None:
        try:
            data = await self._store.get(key)
        except ObjectNotFound:
            return None
        return _record(view, key, data)


def _record(view: View, key: str, data: bytes) -> ViewRecord:
    return ViewRecord(
        key=key,
        heading=view.heading,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        width=view.size,
        height=view.size,
    )
