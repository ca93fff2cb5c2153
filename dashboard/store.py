"""The object store for Streamlit's threads, which have no event loop."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import TypeVar

from euguess.errors import StoreUnavailable
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store

OPEN_SECONDS = 3.0
ANSWER_SECONDS = 10.0  # per call; shorter than in services, because a person is waiting

Result = TypeVar("Result")


class Store:
    """A store that is opened on first use, and again after a failure to open."""

    def __init__(self, settings: StoreSettings, opened: ObjectStore | None = None) -> None:
        self._settings = settings
        self._opened = opened
        self._lock = threading.Lock()

    def run(
        self,
        work: Callable[[ObjectStore], Awaitable[Result]],
        *,
        within_seconds: float = ANSWER_SECONDS,
    ) -> Result:
        """Run a coroutine with the store. Raises StoreError, or what the coroutine raises."""
        store = self._store()

        async def bounded() -> Result:
            async with asyncio.timeout(within_seconds):
                return await work(store)

        try:
            return asyncio.run(bounded())
        except TimeoutError:
            raise StoreUnavailable(
                f"The store {self._settings.url} did not respond within {within_seconds:.0f} s. "
                "Start it with `euguess up`, or run `euguess doctor`."
            ) from None

    def _store(self) -> ObjectStore:
        with self._lock:
            if self._opened is None:
                opening = open_store(self._settings, answer_within_seconds=OPEN_SECONDS)
                self._opened = asyncio.run(opening)
            return self._opened
