"""The confusion matrix as chart and as list."""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.charts.order import by_geography
from dashboard.charts.palette import BLUE, VERMILLION
from euguess.training.report import Report

CORRECT, INCORRECT = "correct", "incorrect"
COLOURS = {CORRECT: BLUE, INCORRECT: VERMILLION}
CELL_HEIGHT, MIN_HEIGHT, FRAME = 22, 360, 120  # pixels
FAINTEST = 0.08  # so that a single photo is visible


@dataclass(frozen=True)
class Confusion:
    """Photos of one country that were predicted as another."""

    true: str
    predicted: str
    photos: int
    share: float  # of the true country's photos


def confusions(report: Report) -> list[Confusion]:
    """Return all confusions, largest number of photos first."""
    codes = [country.country_code for country in report.countries]
    found = [
        Confusion(codes[true], codes[predicted], photos, photos / sum(row))
        for true, row in enumerate(report.confusion)
        for predicted, photos in enumerate(row)
        if photos and predicted != true
    ]
    return sorted(found, key=lambda one: (-one.photos, -one.share, one.true, one.predicted))


def confusion_frame(report: Report) -> pd.DataFrame:
    """Return a row per pair: true, predicted (codes), photos, share (of the true ones), kind."""
    codes = [country.country_code for country in report.countries]
    rows = [
        {
            "true": codes[true],
            "predicted": codes[predicted],
            "photos": photos,
            "share": photos / sum(row),
            "kind": CORRECT if true == predicted else INCORRECT,
        }
        for true, row in enumerate(report.confusion)
        for predicted, photos in enumerate(row)
        if photos
    ]
    return pd.DataFrame(rows, columns=["true", "predicted", "photos", "share", "kind"])


def confusion_chart(report: Report) -> alt.Chart:
    """Draw the matrix; density is the share of the true country's photos."""
    order = list(by_geography(frozenset(country.country_code for country in report.countries)))
    labels = alt.Axis(labelAngle=0, labelOverlap=True, labelPadding=4, ticks=False)
    frame = confusion_frame(report)
    chart: alt.Chart = alt.Chart(frame).mark_rect()
    return chart.encode(
        x=alt.X(
            "predicted:N", sort=order, title="Predicted country", axis=labels, scale=_all(order)
        ),
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
            alt.Tooltip("predicted:N", title="Predicted"),
            alt.Tooltip("photos:Q", title="Photos"),
            alt.Tooltip("share:Q", title="Share of the true country's photos", format=".0%"),
        ],
    ).properties(height=max(MIN_HEIGHT, CELL_HEIGHT * len(order)) + FRAME)


def _all(order: list[str]) -> alt.Scale:
    """Keep the row and column of countries without photos."""
    return alt.Scale(domain=order)
