"""The confusion matrix as chart and as list."""

from dataclasses import dataclass

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart
from dashboard.charts.order import by_geography
from dashboard.charts.palette import BLUE, VERMILLION
from euguess.training.report import Report

CORRECT, INCORRECT = "correct", "incorrect"
COLOURS = {CORRECT: BLUE, INCORRECT: VERMILLION}
CELL_HEIGHT, MIN_HEIGHT, FRAME = 22, 360, 120  # pixels
FAINTEST = 0.08  # so that a single photo is visible
DENSE = 0.4  # share of the largest above which numbers are white
DARK_INK, LIGHT_INK = "#1B2733", "#FFFFFF"  # for cells on a light and on a dark page
NUMBER_SIZE, NARROWEST_CELL = 10, 14  # pixels; narrower cells have no numbers


TOOLTIP = [
    alt.Tooltip("true:N", title="True"),
    alt.Tooltip("predicted:N", title="Predicted"),
    alt.Tooltip("photos:Q", title="Photos"),
    alt.Tooltip("share:Q", title="Share of the true country's photos", format=".0%"),
]


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


def confusion_chart(report: Report, *, is_dark: bool = False) -> LayeredChart:
    """Draw the matrix with the number of photos in each cell.

    Density is the share of the true country's photos.
    """
    order = list(by_geography(frozenset(country.country_code for country in report.countries)))
    labels = alt.Axis(labelAngle=0, labelOverlap=True, labelPadding=4, ticks=False)
    frame = confusion_frame(report)
    base = alt.Chart(frame).encode(
        x=alt.X(
            "predicted:N", sort=order, title="Predicted country", axis=labels, scale=_all(order)
        ),
        y=alt.Y("true:N", sort=order, title="True country", axis=labels, scale=_all(order)),
        tooltip=TOOLTIP,
    )
    most = float(frame["share"].max())
    cells = base.mark_rect().encode(
        color=alt.Color(
            "kind:N",
            scale=alt.Scale(domain=list(COLOURS), range=list(COLOURS.values())),
            legend=alt.Legend(orient="top", title=None),
        ),
        opacity=alt.Opacity(
            "share:Q",
            scale=alt.Scale(type="sqrt", domain=[0, most], range=[FAINTEST, 1]),
            legend=None,
        ),
    )
    faint = alt.value(LIGHT_INK if is_dark else DARK_INK)
    ink = alt.when(alt.datum.share > DENSE * most).then(alt.value(LIGHT_INK)).otherwise(faint)
    size = alt.ExprRef(f"width < {NARROWEST_CELL * len(order)} ? 0 : {NUMBER_SIZE}")
    numbers = base.mark_text(fontSize=size).encode(text="photos:Q", color=ink)
    height = max(MIN_HEIGHT, CELL_HEIGHT * len(order)) + FRAME
    return alt.layer(cells, numbers).properties(height=height)


def _all(order: list[str]) -> alt.Scale:
    """Keep the row and column of countries without photos."""
    return alt.Scale(domain=order)
