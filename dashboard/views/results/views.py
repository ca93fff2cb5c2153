"""The gain from several views per place."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.charts.views import fusion_chart
from dashboard.text import percent
from dashboard.views.results.study import draw_table, reproduced
from euguess.clients import RegistryClient
from euguess.promotion.verdict import points
from euguess.training.report import Report
from euguess.training.runs import FinishedRun
from euguess.training.study_facts import TABLES

TOP1 = "top1_accuracy"
COMPARED_VIEWS = 3  # headings of a place, as many as the study had


def views(
    compared: Mapping[str, Report],
    run: FinishedRun,
    runs: Sequence[FinishedRun],
    registry: RegistryClient,
) -> None:
    """Draw accuracy by number of views, then the study's one heading versus three."""
    st.subheader("Accuracy by number of views")
    st.altair_chart(fusion_chart(compared))
    st.subheader("One view versus three")
    st.dataframe([_row(name, report) for name, report in compared.items()], hide_index=True)
    st.caption(
        "The gain is paired: three views versus one of the same places. The study instead trained "
        "on one heading of all places (Table 3) or three headings of a third of them (Table 4), "
        "which is the same number of photos."
    )
    tables = TABLES[1:]
    found = reproduced(run, [one for table in tables for one in table.runs], runs, registry)
    for table in tables:
        st.markdown(f"**The study's Table {table.number}: {table.title}**")
        draw_table(table, found, run.dataset)


def _row(name: str, report: Report) -> dict[str, str]:
    row = {"Run": name, "One view": percent(report.metrics[TOP1])}
    fused = next((one for one in report.fused if one.views == COMPARED_VIEWS), None)
    if fused is None:
        return row | {"Three views": "", "Gain (points)": ""}
    gain = points(fused.gain) if fused.gain else ""
    return row | {"Three views": percent(fused.metrics[TOP1]), "Gain (points)": gain}
