"""The accuracy of a run by country, and its confusions."""

import streamlit as st

from dashboard.charts.confusion import confusion_chart, confusions
from dashboard.charts.maps import MAP_HEIGHT, confusion_map
from dashboard.charts.order import by_geography
from dashboard.intervals import wilson
from euguess.training.report import CountryAccuracy, Report

MATRIX, ARCS, TABLE = "Matrix", "Map", "Table"
MIN_ARCS, DEFAULT_ARCS, MAX_ARCS = 5, 20, 60


def countries(report: Report) -> None:
    """Draw the confusions as matrix or map, or the table of countries."""
    display = st.segmented_control(
        "Display as",
        (MATRIX, ARCS, TABLE),
        default=MATRIX,
        key="results-countries",
        bind="query-params",
    )
    if display == ARCS:
        _arcs(report)
    elif display == TABLE:
        _table(report)
    else:
        _matrix(report)


def _matrix(report: Report) -> None:
    st.altair_chart(confusion_chart(report, is_dark=st.context.theme.type == "dark"))
    st.caption(
        "Numbers of single test photos. The denser a cell, the larger its share of the true "
        "country's photos. Countries are ordered along a short path across the map from the west, "
        "so confusions of neighbours lie near the diagonal."
    )


def _arcs(report: Report) -> None:
    found = confusions(report)
    if not found:
        st.success("No confusions.")
        return
    shown = st.slider("Strongest confusions", MIN_ARCS, MAX_ARCS, DEFAULT_ARCS, key="results-arcs")
    st.pydeck_chart(confusion_map(found[:shown]), height=MAP_HEIGHT)
    st.caption(
        f"{min(shown, len(found))} of {len(found)} confusions, by number of photos: from the true "
        "country (blue) to the predicted one (orange)."
    )


def _table(report: Report) -> None:
    names = {country.country_code: country.name for country in report.countries}
    order = by_geography(frozenset(names))
    rows = sorted(report.per_country, key=lambda row: order.index(row.country_code))
    st.dataframe([_row(names[row.country_code], row) for row in rows], hide_index=True)
    st.caption(
        "Single test photos. Recall: share of the country's photos that are predicted as such. "
        "Precision: share of predictions of the country that are correct. The 95% intervals count "
        "places, because photos of a place are alike; reports of older runs lack these counts."
    )


def _row(name: str, row: CountryAccuracy) -> dict[str, object]:
    return {
        "Country": name,
        "Photos": row.images,
        "Places": row.locations,
        "Recall (%)": _rounded(row.recall, row.images),
        "Recall, 95% interval": _interval(row.recall, row.locations),
        "Precision (%)": _rounded(row.precision, row.predicted),
        "Precision, 95% interval": _interval(row.precision, row.predicted_locations),
    }


def _rounded(share: float, total: int) -> float | None:
    return round(100 * share, 1) if total else None


def _interval(share: float, places: int | None) -> str:
    """Return the interval as if each place were one prediction."""
    if not places:
        return ""
    found = wilson(share * places, places)
    return f"{100 * found.low:.0f} to {100 * found.high:.0f}"
