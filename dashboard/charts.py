"""Charts: rows in, chart out; nothing here knows Streamlit."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from euguess.schemas import Interval, StatusCounts

LayeredChart = alt.LayerChart | alt.FacetChart

# Okabe and Ito's palette, which colour-blind people can tell apart.
STATUS_COLOURS = {
    "stored": "#009E73",
    "pending": "#BBBBBB",
    "no coverage": "#E69F00",
    "failed": "#D55E00",
}


METRIC_NAMES = {
    "top1_accuracy": "Top-1, one view",
    "fused_top1_accuracy": "Top-1, all views",
    "top5_accuracy": "Top-5, one view",
    "fused_top5_accuracy": "Top-5, all views",
    "macro_recall": "Macro recall, one view",
    "fused_macro_recall": "Macro recall, all views",
}


def counts_frame(countries: Mapping[str, StatusCounts]) -> pd.DataFrame:
    """One row per country and status: country, status, locations, quota."""
    rows = [
        {
            "country": code,
            "status": status,
            "locations": getattr(counts, status.replace(" ", "_")),
            "quota": counts.requested,
            "order": order,
        }
        for code, counts in countries.items()
        for order, status in enumerate(STATUS_COLOURS)
    ]
    return pd.DataFrame(rows)


def counts_chart(countries: Mapping[str, StatusCounts]) -> LayeredChart:
    """Stacked bars of slot statuses per country, with the quota as a tick."""
    base = alt.Chart(counts_frame(countries)).encode(
        x=alt.X("country:N", sort=None, title="Country (ISO 3166-1)", axis=alt.Axis(labelAngle=0))
    )
    scale = alt.Scale(domain=list(STATUS_COLOURS), range=list(STATUS_COLOURS.values()))
    bars = base.mark_bar().encode(
        y=alt.Y("sum(locations):Q", title="Locations", axis=alt.Axis(format="d", tickMinStep=1)),
        color=alt.Color("status:N", scale=scale, title="Status"),
        order="order:Q",
        tooltip=["country", "status", "locations", "quota"],
    )
    quota = base.mark_tick(thickness=2, color="#0072B2").encode(y="max(quota):Q")
    return alt.layer(bars, quota)


def metrics_chart(metrics: Mapping[str, Interval], chance: float) -> LayeredChart:
    """Known accuracies with their 95 % intervals; the dashed line is chance."""
    rows = [
        {"metric": name, "value": m.value, "low": m.low, "high": m.high}
        for key, name in METRIC_NAMES.items()
        if (m := metrics.get(key)) is not None
    ]
    axis = alt.Axis(
        format="%", tickCount=10, title="Share right, with 95 % interval; dashed: chance"
    )
    names = alt.Axis(labelLimit=0)
    base = alt.Chart(pd.DataFrame(rows)).encode(
        y=alt.Y("metric:N", sort=None, title=None, axis=names)
    )
    bars = base.mark_bar(color="#56B4E9").encode(
        x=alt.X("value:Q", axis=axis, scale=alt.Scale(domain=[0, 1])),
        tooltip=["metric", alt.Tooltip("value:Q", format=".1%")],
    )
    intervals = base.mark_rule(strokeWidth=2, color="#333333").encode(x="low:Q", x2="high:Q")
    line = alt.Chart(pd.DataFrame({"chance": [chance]})).mark_rule(strokeDash=[4, 4])
    return alt.layer(bars, intervals, line.encode(x="chance:Q"))
