"""Download and decode the missing rows of a cache, concurrently and in threads."""

import asyncio
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from enum import StrEnum

from euguess.errors import ChecksumMismatch, ObjectNotFound, StoreError
from euguess.images.decoding import PhotoDecoder
from euguess.images.photo_headers import InvalidImage
from euguess.storage import ObjectStore
from services.trainer.cache.rows import ImageRows, WrittenRow
from services.trainer.dataset.manifest import Manifest
from services.trainer.progress import Progress, no_progress


class OnDamage(StrEnum):
    """Policy for photos that are missing, changed or not decodable."""

    RAISE = "raise"
    SKIP = "skip"


@dataclass(frozen=True)
class DecodeOptions:
    """Settings for filling missing rows."""

    on_damage: OnDamage = OnDamage.RAISE
    downloads: int = 32  # photos in memory at once
    threads: int = field(default_factory=lambda: os.cpu_count() or 2)
    rows_per_sync: int = 1024  # a sync takes 5 to 20 ms; a kill loses at most this many rows
    progress: Progress = no_progress


async def decode_missing(
    store: ObjectStore, manifest: Manifest, rows: ImageRows, options: DecodeOptions
) -> dict[int, str]:
    """Fill all missing rows; return the reason for each row that was skipped."""
    with ThreadPoolExecutor(options.threads) as pool:
        work = _Decoding(store, manifest, rows, options, pool)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(options.downloads):
                    group.create_task(work.run())
        except ExceptionGroup as errors:  # the first failure cancelled the others
            raise errors.exceptions[0] from None
        finally:
            work.commit()
    return work.skipped


class _Decoding:
    """State that the concurrent downloads of one build share."""

    def __init__(
        self,
        store: ObjectStore,
        manifest: Manifest,
        rows: ImageRows,
        options: DecodeOptions,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._store = store
        self._rows = rows
        self._options = options
        self._pool = pool
        self._photos = PhotoDecoder(options.threads)
        self._keys = manifest.keys
        self._sha256s = manifest.views.sha256s
        self._queue: Iterator[int] = iter(rows.missing.tolist())
        self._total = len(manifest)
        self._done = self._total - len(rows.missing)
        self._written: list[WrittenRow] = []
        self.skipped: dict[int, str] = {}

    async def run(self) -> None:
        """Fill rows until none are left."""
        for row in self._queue:
            try:
                written = await self._fill(row)
                self._written.append(written)  # of now: a commit replaces the list meanwhile
            except (InvalidImage, ChecksumMismatch, ObjectNotFound) as damage:
                self._skip(row, damage)
            if len(self._written) >= self._options.rows_per_sync:
                self.commit()
            self._done += 1
            self._options.progress(self._done, self._total)

    def commit(self) -> None:
        """Sync the rows written so far to the disk."""
        written, self._written = self._written, []
        if written:
            self._rows.commit(written)

    async def _fill(self, row: int) -> WrittenRow:
        data = await self._store.get(self._keys[row], sha256=str(self._sha256s[row]))
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._decode, row, data)

    def _decode(self, row: int, data: bytes) -> WrittenRow:
        return self._rows.write(row, self._photos.decode_photo(data, self._rows.size))

    def _skip(self, row: int, damage: Exception) -> None:
        if self._options.on_damage is OnDamage.RAISE:
            raise StoreError(
                f"{self._keys[row]} cannot be used: {damage} Replace the photo, or skip damaged "
                "photos."
            )
        self.skipped[row] = str(damage)
