"""The views of a dataset, from its manifest or, before there is one, from some of its records."""

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
MOST_RECORDS = 600  # read where there is no manifest: each is an object of its own
PLACE_COLUMNS = ["country_code", "lat", "lon", "captured_at", "attribution", "license"]


@dataclass(frozen=True)
class Holdings:
    """What a dataset holds. Read only: the frames are shared by all sessions.

    views has a row per view (the columns of the manifest); places a row per location, with
    the columns location_id, country_code, lat, lon (degrees, or NaN), captured_at, attribution,
    license, year (or NaN) and views (a number).
    """

    dataset: str
    views: pd.DataFrame
    places: pd.DataFrame
    stored_places: int

    @property
    def is_sample(self) -> bool:
        """Whether these are only some of the stored places."""
        return len(self.places) < self.stored_places


@st.cache_data(ttl=NAMES_KEPT_SECONDS, show_spinner=False)
def read_names(_store: Store) -> list[str]:
    """Names of all datasets in the store."""
    return _store.run(dataset_names)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_dataset_spec(_store: Store, name: str) -> DatasetSpec:
    """Raises DatasetNotFound."""
    return _store.run(lambda store: read_spec(store, name))


@st.cache_resource(ttl=KEPT_SECONDS, max_entries=8, show_spinner="Reading the manifest")
def read_holdings(_store: Store, name: str) -> Holdings:
    """Raises StoreError."""
    return _store.run(lambda store: _holdings(store, name))


async def _holdings(store: ObjectStore, name: str) -> Holdings:
    try:
        data = await store.get(manifest_key(name))
    except ObjectNotFound:
        return await _from_records(store, name)
    table, _ = decode_manifest(data, manifest_key(name))
    return holdings_of(name, table.to_pandas())


async def _from_records(store: ObjectStore, name: str) -> Holdings:
    """Evenly chosen records, at most MOST_RECORDS."""
    keys = sorted([key async for key in store.list(locations_prefix(name))])
    chosen = keys[:: -(-len(keys) // MOST_RECORDS)] if keys else []
    gate = asyncio.Semaphore(CONCURRENT_READS)

    async def read(key: str) -> LocationRecord:
        async with gate:
            return LocationRecord.model_validate_json(await store.get(key))

    records = await asyncio.gather(*(read(key) for key in chosen))
    table = table_of([row for record in records for row in rows_of(record)])
    return holdings_of(name, table.to_pandas(), stored_places=len(keys))


def holdings_of(dataset: str, views: pd.DataFrame, *, stored_places: int | None = None) -> Holdings:
    """Rows per view, in the manifest's order, with their places."""
    grouped = views.groupby("location_id", sort=False)
    places = views.drop_duplicates("location_id")[["location_id", *PLACE_COLUMNS]]
    places = places.assign(
        year=pd.to_numeric(places["captured_at"].str[:4], errors="coerce"),
        views=grouped.size().to_numpy(),
    ).reset_index(drop=True)
    count = len(places) if stored_places is None else stored_places
    return Holdings(dataset, views, places, count)
