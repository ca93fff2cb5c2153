"""A chart that compares versions of the model."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, share_tooltips
from dashboard.charts.palette import BLUE, ORANGE
from euguess.messages.records import Interval

CHAMPION, OTHER = "champion", "other version"
COLOURS = {CHAMPION: ORANGE, OTHER: BLUE}
SHAPES = {CHAMPION: "diamond", OTHER: "circle"}
CHART_HEIGHT = 340  # pixels


def versions_chart(accuracies: Mapping[str, Interval], champion: str | None) -> LayeredChart:
    """Draw accuracy (0..1) with its 95% interval by version number."""
    rows = [
        {
            "version": version,
            "value": accuracy.value,
            "low": accuracy.low,
            "high": accuracy.high,
            "kind": CHAMPION if version == champion else OTHER,
        }
        for version, accuracy in sorted(accuracies.items(), key=lambda item: int(item[0]))
    ]
    kinds = list(COLOURS)
    colours = alt.Scale(domain=kinds, range=list(COLOURS.values()))
    shapes = alt.Scale(domain=kinds, range=list(SHAPES.values()))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X("version:N", sort=None, title="Version", axis=alt.Axis(labelAngle=0)),
        color=alt.Color("kind:N", scale=colours, legend=alt.Legend(orient="top", title=None)),
    )
    axis = alt.Axis(format="%", title="Accuracy over places (%)")
    lines = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", axis=axis, scale=alt.Scale(zero=False)), y2="high:Q"
    )
    points = base.mark_point(filled=True, size=110, opacity=1).encode(
        y=alt.Y("value:Q", axis=axis),
        shape=alt.Shape("kind:N", scale=shapes, legend=None),
        tooltip=["version", *share_tooltips("value", "low", "high")],
    )
    return alt.layer(lines, points).properties(height=CHART_HEIGHT)
