"""Charts of calibration: reliability, and accuracy by coverage.

Each point counts places, one prediction each, so that Wilson's interval applies.
"""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, share_tooltips
from dashboard.charts.palette import BLUE, GREY
from dashboard.charts.series import colours, dashes
from dashboard.intervals import wilson
from euguess.training.report import Certainty

SHARES = alt.Scale(domain=[0, 1])
CHART_HEIGHT, LEGEND_LINE = 360, 30  # pixels


def reliability_frame(certainty: Certainty) -> pd.DataFrame:
    """Return a row per bin: confidence, value, low, high (shares) and places."""
    rows = [
        {
            "confidence": one.confidence,
            "places": one.samples,
            **_interval(one.accuracy, one.samples),
        }
        for one in certainty.reliability
    ]
    return pd.DataFrame(rows)


def reliability_chart(certainty: Certainty) -> LayeredChart:
    """Draw accuracy by confidence; on the dashed line the model is perfectly calibrated."""
    base = alt.Chart(reliability_frame(certainty)).encode(
        x=alt.X("confidence:Q", scale=SHARES, axis=_axis("Mean confidence (%)"))
    )
    accuracy = _axis("Accuracy over places (%)")
    lines = base.mark_rule(strokeWidth=2, color=BLUE).encode(
        y=alt.Y("low:Q", scale=SHARES, axis=accuracy), y2="high:Q"
    )
    points = base.mark_point(filled=True, color=BLUE, opacity=1).encode(
        y=alt.Y("value:Q", axis=accuracy),
        size=alt.Size(
            "places:Q",
            scale=alt.Scale(range=[30, 260]),
            legend=alt.Legend(orient="top", title="Places", tickCount=3, symbolFillColor=BLUE),
        ),
        tooltip=["places", *share_tooltips("confidence", "value", "low", "high")],
    )
    ends = pd.DataFrame({"x": [0.0, 1.0], "y": [0.0, 1.0]})
    ideal = alt.Chart(ends).mark_line(strokeDash=[4, 4], color=GREY).encode(x="x:Q", y="y:Q")
    return alt.layer(ideal, lines, points).properties(height=CHART_HEIGHT + 2 * LEGEND_LINE)


def coverage_frame(certainties: Mapping[str, Certainty]) -> pd.DataFrame:
    """Return a row per run and threshold: run, coverage, confidence, value, low, high (shares)."""
    rows = [
        {
            "run": run,
            "coverage": point.coverage,
            "confidence": point.confidence,
            **_interval(point.accuracy, round(point.coverage * certainty.locations)),
        }
        for run, certainty in certainties.items()
        for point in certainty.risk_coverage
    ]
    return pd.DataFrame(rows)


def coverage_chart(certainties: Mapping[str, Certainty]) -> LayeredChart:
    """Draw accuracy by the share of answered places, most confident first, for each run."""
    names = list(certainties)
    base = alt.Chart(coverage_frame(certainties)).encode(
        x=alt.X(
            "coverage:Q", scale=SHARES, axis=_axis("Places answered, most confident first (%)")
        ),
        color=colours(names),
    )
    accuracy = _axis("Accuracy of answered places (%)")
    band = base.mark_area(opacity=0.15).encode(
        y=alt.Y("low:Q", scale=SHARES, axis=accuracy), y2="high:Q"
    )
    line = base.mark_line(strokeWidth=2).encode(
        y=alt.Y("value:Q", axis=accuracy),
        strokeDash=dashes(names),
        tooltip=["run", *share_tooltips("coverage", "confidence", "value", "low", "high")],
    )
    height = CHART_HEIGHT + LEGEND_LINE * (len(names) if len(names) > 1 else 0)
    return alt.layer(band, line).properties(height=height)


def _interval(share: float, total: int) -> dict[str, float]:
    return wilson(share * total, total).model_dump()


def _axis(title: str) -> alt.Axis:
    return alt.Axis(format="%", tickCount=5, title=title)
