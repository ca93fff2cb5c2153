"""What is odd about a dataset, with the reasons."""

import pandas as pd
import streamlit as st

from dashboard.sources.manifests import KEPT_SECONDS, Holdings
from dashboard.views.dataset.quality import counts, find_oddities
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import DatasetSpec

NAMES = {
    "finding": "Finding",
    "country_code": "Country",
    "location_id": "Place",
    "reason": "Reason",
}


def findings(holdings: Holdings, spec: DatasetSpec) -> None:
    """A line per finding; nothing is changed or left out because of it."""
    st.subheader("Audit findings")
    found = _found(holdings.dataset, len(holdings.views), holdings, spec)
    if not len(found):
        places = f"{len(holdings.places):,}"
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
def _found(dataset: str, views: int, _holdings: Holdings, _spec: DatasetSpec) -> pd.DataFrame:
    return find_oddities(_holdings, _spec, load_boundaries())
