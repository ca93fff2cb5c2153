"""Write the manifest of each collection that completes, beside the rounds of the controller."""

import asyncio
import logging
from collections.abc import Iterable

from euguess.collection.manifest import update_manifest
from euguess.storage import ObjectStore
from services.sampler.outages import is_outage

logger = logging.getLogger(__name__)


class ManifestWriter:
    """Writes one manifest at a time. After an outage of the store it tries again."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.written: set[str] = set()  # also those that cannot be written
        self._task: asyncio.Task[None] | None = None

    def tend(self, complete: Iterable[str]) -> None:
        """Start to write a manifest that is due; `complete` names all complete collections."""
        names = set(complete)
        self.written &= names  # a repair makes a collection incomplete again
        due = sorted(names - self.written)
        if due and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._write(due[0]))

    async def _write(self, name: str) -> None:
        try:
            # In a thread: for a large dataset it takes seconds, in which the lead must be renewed.
            await asyncio.to_thread(asyncio.run, update_manifest(self._store, name))
        except Exception as error:
            if is_outage(error):
                return
            logger.warning("no manifest of %s: %s", name, error, extra={"action": "no_manifest"})
        self.written.add(name)
