"""What is odd about a dataset, with the reasons."""

import pandas as pd
import streamlit as st

from dashboard.sources.manifests import KEPT_SECONDS, DatasetContents
from dashboard.views.dataset.quality import counts, find_issues
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec

NAMES = {
    "finding": "Finding",
    "country_code": "Country",
    "location_id": "Place",
    "reason": "Reason",
}


def findings(contents: DatasetContents, spec: DatasetSpec) -> None:
    """A line per finding; nothing is changed or left out because of it."""
    st.subheader("Audit findings")
    found = _found(contents.dataset, len(contents.views), contents, spec)
    if not len(found):
        places = f"{len(contents.locations):,}"
        st.success(f"Nothing odd about {places} places.", icon=":material/check_circle:")
    else:
        with st.container(horizontal=True):
            for name, count in counts(found):
                st.metric(name.capitalize(), f"{count:,}")
        st.dataframe(found.rename(columns=NAMES), hide_index=True)
    st.caption(
        "Checked: positions against the borders (which are 1-2 km coarse), the number of views, "
        "photos and spots that occur at two places. Findings do not change the dataset."
    )


@st.cache_data(ttl=KEPT_SECONDS, max_entries=8, show_spinner="Auditing")
def _found(
    dataset: str, views: int, _contents: DatasetContents, _spec: DatasetSpec
) -> pd.DataFrame:
    return find_issues(_contents, _spec, load_boundaries())
