"""Which countries are taken for which; nothing here knows Streamlit."""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.charts.order import by_geography
from dashboard.charts.palette import BLUE, VERMILLION
from euguess.training.report import Report

RIGHT, WRONG = "right", "wrong"
COLOURS = {RIGHT: BLUE, WRONG: VERMILLION}
CELL_HEIGHT, LEAST_HEIGHT, FRAME = 22, 360, 120  # pixels
FAINTEST = 0.08  # so that a single photo shows


@dataclass(frozen=True)
class Confusion:
    """Photos of a country that were taken for another."""

    true: str
    named: str
    photos: int
    share: float  # of the true country's photos


def confusions(report: Report) -> list[Confusion]:
    """All that occur, by falling number of photos."""
    codes = [country.country_code for country in report.countries]
    found = [
        Confusion(codes[true], codes[named], photos, photos / sum(row))
        for true, row in enumerate(report.confusion)
        for named, photos in enumerate(row)
        if photos and named != true
    ]
    return sorted(found, key=lambda one: (-one.photos, -one.share, one.true, one.named))


def confusion_frame(report: Report) -> pd.DataFrame:
    """One row per pair that occurs: true, named (codes), photos, share (of the true's), kind."""
    codes = [country.country_code for country in report.countries]
    rows = [
        {
            "true": codes[true],
            "named": codes[named],
            "photos": photos,
            "share": photos / sum(row),
            "kind": RIGHT if true == named else WRONG,
        }
        for true, row in enumerate(report.confusion)
        for named, photos in enumerate(row)
        if photos
    ]
    return pd.DataFrame(rows, columns=["true", "named", "photos", "share", "kind"])


def confusion_chart(report: Report) -> alt.Chart:
    """Cells as dense as the share of the true country's photos; neighbours beside each other."""
    order = list(by_geography(frozenset(country.country_code for country in report.countries)))
    labels = alt.Axis(labelAngle=0, labelOverlap=True, labelPadding=4, ticks=False)
    frame = confusion_frame(report)
    chart: alt.Chart = alt.Chart(frame).mark_rect()
    return chart.encode(
        x=alt.X("named:N", sort=order, title="Named country", axis=labels, scale=_all(order)),
        y=alt.Y("true:N", sort=order, title="True country", axis=labels, scale=_all(order)),
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
            legend=alt.Legend(orient="top", title=None),
        ),
        opacity=alt.Opacity(
            "share:Q",
            scale=alt.Scale(type="sqrt", domain=[0, frame["share"].max()], range=[FAINTEST, 1]),
            legend=None,
        ),
        tooltip=[
            alt.Tooltip("true:N", title="True"),
            alt.Tooltip("named:N", title="Named"),
            alt.Tooltip("photos:Q", title="Photos"),
            alt.Tooltip("share:Q", title="Of the true country's photos", format=".0%"),
        ],
    ).properties(height=max(LEAST_HEIGHT, CELL_HEIGHT * len(order)) + FRAME)


def _all(order: list[str]) -> alt.Scale:
    """Countries without photos keep their row and column."""
    return alt.Scale(domain=order)
