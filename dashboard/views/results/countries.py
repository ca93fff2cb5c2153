"""Which countries a run knows, and which it takes for which."""

import streamlit as st

from dashboard.charts.confusion import confusion_chart, confusions
from dashboard.charts.maps import MAP_HEIGHT, confusion_map
from dashboard.charts.order import by_geography
from dashboard.intervals import wilson
from euguess.training.report import CountryAccuracy, Report

MATRIX, ARCS, TABLE = "Matrix", "Map", "Table"
FEWEST_ARCS, FIRST_ARCS, MOST_ARCS = 5, 20, 60


def countries(report: Report) -> None:
    """One of three ways to look at them."""
    way = st.segmented_control(
        "Shown as", (MATRIX, ARCS, TABLE), default=MATRIX, key="results-countries"
    )
    if way == ARCS:
        _arcs(report)
    elif way == TABLE:
        _table(report)
    else:
        _matrix(report)


def _matrix(report: Report) -> None:
    st.altair_chart(confusion_chart(report))
    st.caption(
        "Single photos of the test part; the denser a cell, the larger the share of the true "
        "country's photos. Countries follow a short path over the map from the west, so that "
        "what lies near the diagonal is taken for a country nearby."
    )


def _arcs(report: Report) -> None:
    found = confusions(report)
    if not found:
        st.success("No country was taken for another.")
        return
    shown = st.slider(
        "Strongest confusions", FEWEST_ARCS, MOST_ARCS, FIRST_ARCS, key="results-arcs"
    )
    st.pydeck_chart(confusion_map(found[:shown]), height=MAP_HEIGHT)
    st.caption(
        f"{min(shown, len(found))} of {len(found)} confusions, by photos: from the true country "
        "(blue) to the named one (orange)."
    )


def _table(report: Report) -> None:
    names = {country.country_code: country.name for country in report.countries}
    order = by_geography(frozenset(names))
    rows = sorted(report.per_country, key=lambda row: order.index(row.country_code))
    st.dataframe([_row(names[row.country_code], row) for row in rows], hide_index=True)
    st.caption(
        "Single photos of the test part. Recall: of the country's photos, those named so; "
        "precision: of the photos named so, the country's. The 95 % intervals count places, "
        "since photos of a place are much alike; reports of older runs do not tell how many."
    )


def _row(name: str, row: CountryAccuracy) -> dict[str, object]:
    return {
        "Country": name,
        "Photos": row.images,
        "Places": row.locations,
        "Recall (%)": _rounded(row.recall, row.images),
        "Recall, interval": _interval(row.recall, row.locations),
        "Precision (%)": _rounded(row.precision, row.predicted),
        "Precision, interval": _interval(row.precision, row.predicted_locations),
    }


def _rounded(share: float, total: int) -> float | None:
    return round(100 * share, 1) if total else None


def _interval(share: float, places: int | None) -> str:
    """As if each place were one answer."""
    if not places:
        return ""
    found = wilson(share * places, places)
    return f"{100 * found.low:.0f} to {100 * found.high:.0f}"
