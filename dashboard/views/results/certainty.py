"""How far a run's probabilities can be trusted."""

from collections.abc import Mapping

import streamlit as st

from dashboard.charts.certainty import coverage_chart, reliability_chart
from dashboard.notices import empty_state
from dashboard.text import percent
from euguess.training.report import Certainty, Report


def certainty(compared: Mapping[str, Report]) -> None:
    """Coverage against accuracy of all runs, the reliability of the first."""
    first = next(iter(compared.values()))
    if not first.certainty:
        empty_state(
            "This run was not calibrated: its split has no validation part. Give it one:",
            "euguess train DATASET --recipe FILE.toml --set split.val_fraction=0.1",
        )
        return
    most = max(one.views for one in first.certainty)
    number = st.segmented_control(
        "Photos of a place", range(1, most + 1), default=most, key="results-photos"
    )
    measured = {
        name: found
        for name, report in compared.items()
        if (found := _of_views(report, number or most)) is not None
    }
    one = next(iter(measured.values()))
    _summary(one)
    st.subheader("Coverage against accuracy")
    st.altair_chart(coverage_chart(measured))
    st.subheader("Reliability")
    st.altair_chart(reliability_chart(one))
    st.caption(
        f"Over {one.locations:,} test places, one answer each, after calibration on "
        f"{one.calibration.locations:,} places of the validation part. Points below the dashed "
        "line are too sure, points above it not sure enough. Bands and lines: 95 % intervals."
    )


def _of_views(report: Report, views: int) -> Certainty | None:
    return next((one for one in report.certainty if one.views == views), None)


def _summary(one: Certainty) -> None:
    with st.container(horizontal=True):
        st.metric(
            "Calibration error",
            f"{one.ece:.1%}",
            help=f"Mean gap of confidence and accuracy; {one.uncalibrated_ece:.1%} uncalibrated.",
        )
        st.metric("Places answered", percent(one.answered))
        right = percent(one.answered_accuracy) if one.answered_accuracy else "none answered"
        st.metric("Right among these", right)
        st.metric("90 % sets that hold the country", percent(one.set_coverage))
        st.metric("Countries in a set", f"{one.set_size.value:.1f}")
