"""Charts of a champion's metrics. No module of dashboard.charts imports Streamlit."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, chance_line
from dashboard.charts.palette import ORANGE, SKY, VERMILLION
from euguess.messages.records import Interval

BAR_STEP = 28  # pixels for a bar and its name
METRIC_NAMES = {
    "top1_accuracy": "Top-1, one view",
    "fused_top1_accuracy": "Top-1, all views",
    "top5_accuracy": "Top-5, one view",
    "fused_top5_accuracy": "Top-5, all views",
    "macro_recall": "Macro recall, one view",
    "fused_macro_recall": "Macro recall, all views",
}


def metrics_chart(metrics: Mapping[str, Interval], chance: float) -> LayeredChart:
    """Draw the known metrics with their 95% intervals; the dashed line is chance."""
    rows = [
        {"metric": name, "value": m.value, "low": m.low, "high": m.high}
        for key, name in METRIC_NAMES.items()
        if (m := metrics.get(key)) is not None
    ]
    axis = alt.Axis(format="%", tickCount=10, title="Accuracy or recall (%)")
    names = alt.Axis(labelLimit=0)
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("metric:N", sort=None, title="Metric", axis=names)
    )
    bars = base.mark_bar(color=SKY, opacity=0.6).encode(
        x=alt.X("value:Q", axis=axis, scale=alt.Scale(domain=[0, 1])),
        tooltip=["metric", alt.Tooltip("value:Q", format=".1%")],
    )
    intervals = base.mark_rule(strokeWidth=3, color=ORANGE).encode(x="low:Q", x2="high:Q")
    dashed = chance_line([chance], colour=VERMILLION)
    return alt.layer(bars, intervals, dashed).properties(height=alt.Step(BAR_STEP))
