"""The section of data quality issues."""

import pandas as pd
import streamlit as st

from dashboard.sources.manifests import KEPT_SECONDS, DatasetContents
from dashboard.views.dataset.quality import count_by_kind, find_issues
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec

NAMES = {
    "issue": "Issue",
    "country_code": "Country",
    "location_id": "Place",
    "reason": "Reason",
}


def issues(contents: DatasetContents, spec: DatasetSpec) -> None:
    """Draw a table of issues; they do not change the dataset."""
    st.subheader("Data quality")
    found = _issues(contents.dataset, len(contents.views), contents, spec)
    if not len(found):
        places = f"{len(contents.locations):,}"
        st.success(f"No issues found in {places} places.", icon=":material/check_circle:")
    else:
        with st.container(horizontal=True):
            for name, count in count_by_kind(found):
                st.metric(name.capitalize(), f"{count:,}")
        st.dataframe(found.rename(columns=NAMES), hide_index=True)
    st.caption(
        "Checks: coordinates against country borders (accurate to 1-2 km), the number of views, "
        "duplicate photos and duplicate coordinates. Issues do not change the dataset."
    )


@st.cache_data(ttl=KEPT_SECONDS, max_entries=8, show_spinner="Checking the dataset")
def _issues(
    dataset: str, views: int, _contents: DatasetContents, _spec: DatasetSpec
) -> pd.DataFrame:
    return find_issues(_contents, _spec, load_boundaries())
