"""Reports: sweeps and the reproduced study, as the trainer wrote them."""

from pathlib import Path

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import empty_state
from dashboard.sources.reports import (
    BEST_RECIPE,
    PAGE,
    StoredReport,
    parts,
    stored_reports,
)

FILES = {PAGE: ("Report as HTML", "text/html"), BEST_RECIPE: ("Best recipe", "application/toml")}


def render(connections: Connections) -> None:
    """Draw the page; it reads only the home folder."""
    st.title("Reports")
    found = {report.title: report for report in stored_reports(connections.home)}
    if not found:
        st.caption(f"Reports are read from the folder {connections.home.resolve()}.")
        command = "euguess sweep demo --space experiments/sweeps/demo.toml"
        empty_state("No reports yet. Search for a better recipe, or reproduce the study:", command)
        st.code("euguess paper demo", language="bash", wrap_lines=True)
        return
    chosen = st.selectbox("Report", list(found), key="report", bind="query-params")
    _downloads(found[chosen])
    for part in parts(found[chosen]):
        if isinstance(part, Path):
            st.image(part)
        else:
            st.markdown(part)


def _downloads(report: StoredReport) -> None:
    with st.container(horizontal=True):
        for name, (label, mime) in FILES.items():
            if (report.folder / name).is_file():
                st.download_button(
                    label,
                    (report.folder / name).read_bytes(),
                    file_name=f"{report.folder.name}-{name}",
                    mime=mime,
                    icon=":material/download:",
                )
