"""A chart of accuracy by number of views."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, chance_line, share_tooltips
from dashboard.charts.series import colours, shapes
from euguess.training.report import Report

TOP1 = "top1_accuracy"
CHART_HEIGHT, LEGEND_LINE = 340, 30  # pixels


def views_frame(reports: Mapping[str, Report]) -> pd.DataFrame:
    """Return a row per run and number of views: run, views, places, value, low, high."""
    rows = [
        {
            "run": run,
            "views": fused.views,
            "places": fused.locations,
            **fused.metrics[TOP1].model_dump(),
        }
        for run, report in reports.items()
        for fused in report.fused
    ]
    return pd.DataFrame(rows)


def fusion_chart(reports: Mapping[str, Report]) -> LayeredChart:
    """Draw accuracy over places with its 95% interval, by number of fused views."""
    names = list(reports)
    base = alt.Chart(views_frame(reports)).encode(
        x=alt.X("views:O", title="Views per place", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("run:N", sort=names),
        color=colours(names),
    )
    axis = alt.Axis(format="%", tickCount=6, title="Accuracy over places (%); dashed: chance")
    lines = base.mark_rule(strokeWidth=2).encode(
        y=alt.Y("low:Q", axis=axis, scale=alt.Scale(zero=True)), y2="high:Q"
    )
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        y=alt.Y("value:Q", axis=axis),
        shape=shapes(names),
        tooltip=["run", "views", "places", *share_tooltips("value", "low", "high")],
    )
    chances = sorted({report.baselines.chance for report in reports.values()})
    dashed = chance_line(chances, "y")
    height = CHART_HEIGHT + LEGEND_LINE * (len(names) if len(names) > 1 else 0)
    return alt.layer(dashed, lines, points).properties(height=height)
