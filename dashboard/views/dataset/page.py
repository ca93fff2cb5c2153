"""Dataset: its contents against the quotas, on a map, as photos and for export."""

import streamlit as st

from dashboard.charts.dataset import balance_chart, views_chart, years_chart
from dashboard.charts.geography import colours
from dashboard.charts.maps import MAP_HEIGHT, places_map
from dashboard.charts.palette import BLUE, ORANGE
from dashboard.connections import Connections
from dashboard.glossary import explain
from dashboard.notices import empty_state, hint, show_errors
from dashboard.sources.manifests import (
    DatasetContents,
    read_contents,
    read_dataset_spec,
    read_names,
)
from dashboard.sources.versions import read_champion, read_seen
from dashboard.views.dataset.export import export
from dashboard.views.dataset.gallery import gallery
from dashboard.views.dataset.issues import issues
from dashboard.views.dataset.legend import legend
from dashboard.views.dataset.upload import upload_section
from euguess.clients import RegistryClient
from euguess.collection.providers import ProviderName
from euguess.messages.collection import DatasetSpec

SECTIONS = ("Balance", "Map", "Gallery", "Issues", "Export")
BY_COUNTRY, BY_USE = "Country", "Seen by the champion"
SEEN, HELD_OUT = "seen by the champion", "held out"
USE_COLOURS = {SEEN: ORANGE, HELD_OUT: BLUE}


def render(connections: Connections) -> None:
    """Draw the page; it needs only the store, except for the map of seen places."""
    st.title("Dataset")
    upload_section(connections)
    with show_errors():
        names = read_names(connections.store)
        if not names:
            command = "euguess dataset create demo --per-country 40"
            empty_state("No datasets yet. Collect one, or import your own photos:", command)
            st.code("euguess dataset import mine photos.csv", language="bash", wrap_lines=True)
            return
        name = st.selectbox("Dataset", names, key="dataset", bind="query-params")
        spec = read_dataset_spec(connections.store, name)
        contents = read_contents(connections.store, name)
        if not len(contents.locations):
            command = f"euguess dataset status {name}"
            empty_state("No places stored yet. Check the progress of the collection:", command)
            return
        _summary(contents, spec)
        _sections(contents, spec, connections)


def _summary(contents: DatasetContents, spec: DatasetSpec) -> None:
    with st.container(horizontal=True):
        st.metric("Places", f"{contents.stored_locations:,}")
        if spec.provider != ProviderName.FOLDER:  # an import requests nothing
            st.metric("Requested", f"{spec.requested:,}")
        st.metric("Countries", f"{contents.locations['country_code'].nunique()}")
        if not contents.is_sample:
            st.metric("Views", f"{len(contents.views):,}", help=explain("view"))
            st.metric("Size", f"{contents.views['bytes'].sum() / 1e6:,.0f} MB")
    if contents.is_sample:
        shown, stored = len(contents.locations), contents.stored_locations
        hint(
            f"The full list is written when the collection completes. Until then this page shows "
            f"{shown:,} of {stored:,} places. To write it now:",
            f"euguess dataset export {contents.dataset}",
        )


def _sections(contents: DatasetContents, spec: DatasetSpec, connections: Connections) -> None:
    """Draw only the selected section, so that each is fast."""
    section = st.segmented_control(
        "Section",
        SECTIONS,
        default=SECTIONS[0],
        key="section",
        label_visibility="collapsed",
        bind="query-params",
    )
    with show_errors():
        match section:
            case "Map":
                _map(contents, connections.registry)
            case "Gallery":
                gallery(contents, connections)
            case "Issues":
                issues(contents, spec)
            case "Export":
                export(contents, spec, connections.store)
            case _:
                _balance(contents, spec)


def _balance(contents: DatasetContents, spec: DatasetSpec) -> None:
    st.subheader("Places per country")
    st.altair_chart(balance_chart(contents.locations, spec.quotas))
    left, right = st.columns(2)
    with left:
        st.subheader("Capture year")
        if contents.locations["year"].notna().any():
            st.altair_chart(years_chart(contents.locations))
        else:
            st.info("These photos have no capture dates.", icon=":material/event_busy:")
    with right:
        st.subheader("Views per place")
        st.altair_chart(views_chart(contents.locations))


def _map(contents: DatasetContents, registry: RegistryClient) -> None:
    located = int(contents.locations["lat"].notna().sum())
    if not located:
        st.info("These photos have no coordinates.", icon=":material/location_off:")
        return
    kind = st.segmented_control(
        "Colour by",
        [BY_COUNTRY, BY_USE],
        default=BY_COUNTRY,
        key="colours",
        bind="query-params",
    )
    if kind == BY_USE:
        _map_by_use(contents, registry)
    else:
        deck = places_map(contents.locations, colours(), "country_code")
        st.pydeck_chart(deck, height=MAP_HEIGHT, key="map-country")
        known = contents.locations[contents.locations["lat"].notna()]
        legend(known["country_code"], colours())
    st.caption(f"{located:,} of {len(contents.locations):,} places have coordinates.")


def _map_by_use(contents: DatasetContents, registry: RegistryClient) -> None:
    card = read_champion(registry)
    seen = read_seen(registry, card.version) if card else None
    if seen is None:
        command = f"euguess train {contents.dataset} --recipe experiments/demo.toml --promote"
        empty_state("No champion yet. Train and promote a model:", command)
        return
    is_seen = contents.locations["location_id"].isin(seen.location_ids)
    places = contents.locations.assign(use=is_seen.map({True: SEEN, False: HELD_OUT}))
    with st.container(horizontal=True):
        st.badge(f"{SEEN}: {is_seen.sum():,}", color="orange")
        st.badge(f"{HELD_OUT}: {(~is_seen).sum():,}", color="blue")
    st.pydeck_chart(places_map(places, USE_COLOURS, "use"), height=MAP_HEIGHT, key="map-use")
