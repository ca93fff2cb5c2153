"""The contents of a dataset: from its manifest or, before it has one, from a sample of records."""

import asyncio
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from dashboard.store import Store
from euguess.collection.datasets import CONCURRENT_READS, dataset_names, read_spec
from euguess.collection.layout import locations_prefix, manifest_key
from euguess.collection.manifest_format import decode_manifest, rows_of, table_of
from euguess.errors import ObjectNotFound
from euguess.messages.collection import DatasetSpec, LocationRecord
from euguess.storage import ObjectStore

NAMES_KEPT_SECONDS = 5.0
KEPT_SECONDS = 60.0
MAX_RECORDS = 600  # read when there is no manifest: each is a separate object
LOCATION_COLUMNS = ["country_code", "lat", "lon", "captured_at", "attribution", "license"]


@dataclass(frozen=True)
class DatasetContents:
    """The views and locations of a dataset. Read only: all sessions share the frames.

    views has a row per view (the columns of the manifest); locations has a row per location, with
    the columns location_id, country_code, lat, lon (degrees, or NaN), captured_at, attribution,
    license, year (or NaN) and views (their number).
    """

    dataset: str
    views: pd.DataFrame
    locations: pd.DataFrame
    stored_locations: int

    @property
    def is_sample(self) -> bool:
        """Return True if these are only some of the stored locations."""
        return len(self.locations) < self.stored_locations


@st.cache_data(ttl=NAMES_KEPT_SECONDS, show_spinner=False)
def read_names(_store: Store) -> list[str]:
    """Return the names of all datasets in the store."""
    return _store.run(dataset_names)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_dataset_spec(_store: Store, name: str) -> DatasetSpec:
    """Return the specification of a dataset. Raises DatasetNotFound."""
    return _store.run(lambda store: read_spec(store, name))


@st.cache_resource(ttl=KEPT_SECONDS, max_entries=8, show_spinner="Reading the manifest")
def read_contents(_store: Store, name: str) -> DatasetContents:
    """Return the contents of a dataset. Raises StoreError."""
    return _store.run(lambda store: _read(store, name))


async def _read(store: ObjectStore, name: str) -> DatasetContents:
    try:
        data = await store.get(manifest_key(name))
    except ObjectNotFound:
        return await _from_records(store, name)
    table, _ = decode_manifest(data, manifest_key(name))
    return contents_of(name, table.to_pandas())


async def _from_records(store: ObjectStore, name: str) -> DatasetContents:
    """Read at most MAX_RECORDS records, evenly spaced by key."""
    keys = sorted([key async for key in store.list(locations_prefix(name))])
    chosen = keys[:: -(-len(keys) // MAX_RECORDS)] if keys else []
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def read(key: str) -> LocationRecord:
        async with gate:
            return LocationRecord.model_validate_json(await store.get(key))

    records = await asyncio.gather(*(read(key) for key in chosen))
    table = table_of([row for record in records for row in rows_of(record)])
    return contents_of(name, table.to_pandas(), stored_locations=len(keys))


def contents_of(
    dataset: str, views: pd.DataFrame, *, stored_locations: int | None = None
) -> DatasetContents:
    """Build the contents from rows per view, in manifest order."""
    grouped = views.groupby("location_id", sort=False)
    locations = views.drop_duplicates("location_id")[["location_id", *LOCATION_COLUMNS]]
    locations = locations.assign(
        year=pd.to_numeric(locations["captured_at"].str[:4], errors="coerce"),
        views=grouped.size().to_numpy(),
    ).reset_index(drop=True)
    count = len(locations) if stored_locations is None else stored_locations
    return DatasetContents(dataset, views, locations, count)
