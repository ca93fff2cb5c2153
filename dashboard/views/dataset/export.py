"""Downloads of a dataset: its complete list of views, and the photos of a chosen part."""

import io
from functools import partial

import streamlit as st

from dashboard.sources.manifests import DatasetContents
from dashboard.store import Store
from euguess.collection.export import Kind, Part, encode, export_table, write_zip
from euguess.messages.collection import DatasetSpec
from euguess.storage import ObjectStore

LIST_SECONDS = 300.0  # to read the records of places that no manifest lists yet
MIME = {Kind.CSV: "text/csv", Kind.PARQUET: "application/vnd.apache.parquet"}
LABELS = {Kind.CSV: "Manifest as CSV", Kind.PARQUET: "Manifest as Parquet"}
MAX_ZIP_BYTES = 200_000_000  # a zip is built in memory
PLACES = 50  # offered at first
SHOWN_ROWS = 200


def export(contents: DatasetContents, spec: DatasetSpec, store: Store) -> None:
    """Draw the section."""
    st.markdown(
        "One row per view: location, capture date, heading, object key and licence. The list is "
        "completed when you download it. In the CSV file, an apostrophe precedes text that a "
        "spreadsheet would run as a formula."
    )
    if contents.is_sample:
        st.caption(f"Below: a sample of {len(contents.locations):,} places.")
    st.dataframe(contents.views.head(SHOWN_ROWS), hide_index=True)
    with st.container(horizontal=True):
        for kind in Kind:
            st.download_button(
                LABELS[kind],
                partial(list_file, store, contents.dataset, kind),
                file_name=f"{contents.dataset}-manifest.{kind}",
                mime=MIME[kind],
                icon=":material/download:",
            )
    _photos(contents, spec, store)


def _photos(contents: DatasetContents, spec: DatasetSpec, store: Store) -> None:
    st.subheader("Photos")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        countries = st.multiselect(
            "Countries", sorted(spec.quotas), placeholder="All", key="export-countries"
        )
        places = st.number_input("Places", 1, value=PLACES, step=50, key="export-places")
    expected = expected_bytes(contents, countries, int(places))
    if expected > MAX_ZIP_BYTES:
        size = f"about {expected / 1e6:,.0f} MB"
        st.info(f"This part is too large for a page ({size}). Use:", icon=":material/folder_zip:")
        st.code(_command(contents.dataset, countries, int(places)), language="bash")
        return
    st.download_button(
        f"Photos as zip (at most {max(1, round(expected / 1e6)):,} MB)",
        partial(photos_file, store, contents.dataset, Part(frozenset(countries), int(places))),
        file_name=f"{contents.dataset}-photos.zip",
        mime="application/zip",
        icon=":material/folder_zip:",
    )
    st.caption(
        "Drawn at random from the chosen countries. To use the photos as a dataset elsewhere, "
        "unpack the zip and run `euguess dataset import NAME manifest.parquet`."
    )


def expected_bytes(contents: DatasetContents, countries: list[str], places: int) -> float:
    """Return about how many bytes the photos of a part have."""
    share = len(contents.locations) / max(1, contents.stored_locations)
    codes = contents.locations["country_code"]
    stored = len(codes) if not countries else int(codes.isin(countries).sum())
    mean = float(contents.views["bytes"].sum()) / max(1, len(contents.locations))
    return mean * min(places, stored / share)


def list_file(store: Store, dataset: str, kind: Kind) -> bytes:
    """Return the complete manifest as a file. Raises StoreError."""

    async def made(opened: ObjectStore) -> bytes:
        return encode(await export_table(opened, dataset), kind)

    return store.run(made, within_seconds=LIST_SECONDS)


def photos_file(store: Store, dataset: str, part: Part) -> bytes:
    """Return a zip of the photos of a part, with their manifest. Raises StoreError."""

    async def made(opened: ObjectStore) -> bytes:
        table, buffer = await export_table(opened, dataset, part), io.BytesIO()
        await write_zip(opened, table, Kind.PARQUET, buffer)
        return buffer.getvalue()

    return store.run(made, within_seconds=LIST_SECONDS)


def _command(dataset: str, countries: list[str], places: int) -> str:
    chosen = f" --countries {','.join(countries)}" if countries else ""
    return f"euguess dataset export {dataset} --photos{chosen} --places {places}"
