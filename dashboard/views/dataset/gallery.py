"""The photo gallery: locations with their views side by side, and their attribution."""

import pandas as pd
import streamlit as st

from dashboard.connections import Connections
from dashboard.sources.manifests import DatasetContents
from dashboard.sources.photos import read_pictures
from dashboard.text import country_name, plain

LOCATIONS_PER_PAGE = 4
PICTURE_SIDE = 320
PICTURE_WIDTH = 240


def gallery(contents: DatasetContents, connections: Connections) -> None:
    """Draw a page of the locations of a country. Raises StoreError if photos cannot be read."""
    st.subheader("Photos of places, as in the study's Figure 5")
    locations, headings = _filtered(contents)
    pages = max(1, -(-len(locations) // LOCATIONS_PER_PAGE))
    page = st.number_input(f"Page (of {pages:,})", 1, pages, key="gallery-page") if pages > 1 else 1
    start = (int(page) - 1) * LOCATIONS_PER_PAGE
    for _, location in locations.iloc[start : start + LOCATIONS_PER_PAGE].iterrows():
        views = contents.views[contents.views["location_id"] == location["location_id"]]
        _location(location, views[views["heading"].isin(headings)], connections)


def _filtered(contents: DatasetContents) -> tuple[pd.DataFrame, list[float]]:
    codes = sorted(contents.locations["country_code"].unique(), key=country_name)
    headings = sorted(contents.views["heading"].unique())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        code = st.selectbox("Country", codes, format_func=country_name, key="gallery-country")
        chosen = st.pills(
            "Headings (degrees from north)",
            headings,
            format_func=lambda heading: f"{heading:g}°",
            selection_mode="multi",
            default=headings,
            key=f"gallery-headings-{contents.dataset}",
        )
    return contents.locations[contents.locations["country_code"] == code], list(chosen)


def _location(location: "pd.Series[str]", views: pd.DataFrame, connections: Connections) -> None:
    with st.container(border=True):
        pictures = read_pictures(connections, tuple(views["key"]), PICTURE_SIDE)
        with st.container(horizontal=True):
            for heading, data in zip(views["heading"], pictures, strict=True):
                if data is None:
                    st.warning(f"The view at {heading:g}° is damaged.")
                else:
                    st.image(data, caption=f"{heading:g}°", width=PICTURE_WIDTH)
        taken = location["captured_at"] or "date unknown"
        facts = (location["location_id"], taken, location["attribution"], location["license"])
        st.caption(" · ".join(map(plain, facts)))
