"""The calibration of a run's probabilities."""

from collections.abc import Mapping

import streamlit as st

from dashboard.charts.certainty import coverage_chart, reliability_chart
from dashboard.notices import empty_state
from dashboard.text import percent
from euguess.training.report import Certainty, Report


def calibration(compared: Mapping[str, Report]) -> None:
    """Draw accuracy by coverage of all runs, and the reliability of the first."""
    first = next(iter(compared.values()))
    if not first.certainty:
        empty_state(
            "This run is not calibrated, because its split has no validation set. Train with one:",
            "euguess train DATASET --recipe FILE.toml --set split.val_fraction=0.1",
        )
        return
    most = max(one.views for one in first.certainty)
    number = st.segmented_control(
        "Views per place", range(1, most + 1), default=most, key="results-photos"
    )
    measured = {
        name: found
        for name, report in compared.items()
        if (found := _of_views(report, number or most)) is not None
    }
    one = next(iter(measured.values()))
    _summary(one)
    st.subheader("Accuracy by coverage")
    st.altair_chart(coverage_chart(measured))
    st.subheader("Reliability")
    st.altair_chart(reliability_chart(one))
    st.caption(
        f"Over {one.locations:,} test places, one prediction each, calibrated on "
        f"{one.calibration.locations:,} validation places. Below the dashed line the model is "
        "overconfident, above it underconfident. Bands and lines: 95% intervals."
    )


def _of_views(report: Report, views: int) -> Certainty | None:
    return next((one for one in report.certainty if one.views == views), None)


def _summary(one: Certainty) -> None:
    with st.container(horizontal=True):
        st.metric(
            "Calibration error",
            f"{one.ece:.1%}",
            help="Mean gap between confidence and accuracy; "
            f"{one.uncalibrated_ece:.1%} before calibration.",
        )
        st.metric("Answered places", percent(one.answered))
        accuracy = percent(one.answered_accuracy) if one.answered_accuracy else "none answered"
        st.metric("Accuracy when answered", accuracy)
        st.metric("Coverage of the 90% sets", percent(one.set_coverage))
        st.metric("Countries per set", f"{one.set_size.value:.1f}")
