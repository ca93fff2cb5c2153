"""The manifest of a dataset, with its views as arrays."""

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from euguess.collection.manifest import read_manifest, update_manifest
from euguess.storage import ObjectStore
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.progress import Progress, no_progress


@dataclass(frozen=True)
class Manifest:
    """Rows are sorted by country, location, heading and key; the digest covers all of them."""

    dataset: str
    digest: str
    table: pa.Table

    @cached_property
    def views(self) -> ViewIndex:
        return ViewIndex.from_table(self.table)

    @cached_property
    def keys(self) -> tuple[str, ...]:
        return tuple(str(key) for key in self.table.column("key").to_pylist())

    def __len__(self) -> int:
        return int(self.table.num_rows)


async def build_manifest(
    store: ObjectStore, dataset: str, *, progress: Progress = no_progress
) -> Manifest:
    """Write the manifest of what is stored now.

    Raises DatasetNotFound, StoreError, and InvalidInput if nothing is stored.
    """
    table, digest = await update_manifest(store, dataset, progress=progress)
    return Manifest(dataset, digest, table)


async def load_manifest(store: ObjectStore, dataset: str) -> Manifest:
    """Read the last manifest. Raises ObjectNotFound, or ChecksumMismatch if it is damaged."""
    table, digest = await read_manifest(store, dataset)
    return Manifest(dataset, digest, table)
