"""Addresses that name the runs that a page shows, so that a link can be shared.

Datasets and sections are bound to the address by their widgets; runs are named by their ids,
because the names that people read change.
"""

from collections.abc import Collection, Sequence

import streamlit as st

RUN = "run"  # name of the query parameter


def runs_in_address(known: Collection[str]) -> list[str]:
    """Return the known ones of the run ids that the address names."""
    return [run_id for run_id in st.query_params.get_all(RUN) if run_id in known]


def name_runs(run_ids: Sequence[str]) -> None:
    """Name runs in the address."""
    if st.query_params.get_all(RUN) != list(run_ids):
        st.query_params[RUN] = list(run_ids)
