"""Curves of trainings (the study's figures 5 and 6); nothing here knows Streamlit."""

from collections.abc import Mapping
from typing import TypeAlias

import altair as alt
import pandas as pd

from dashboard.charts.series import colours

LayeredChart: TypeAlias = alt.LayerChart | alt.FacetChart

CHART_HEIGHT = 320  # pixels
PARTS = {"train": [1, 0], "val": [5, 3]}  # dashes
PERCENT = "%"


def curves_frame(curves: Mapping[str, pd.DataFrame], measure: str) -> pd.DataFrame:
    """One row per run, part and epoch: run, part, epoch, value; measure is accuracy or loss."""
    frames = [
        frame[["epoch"]].assign(run=run, part=part, value=frame[f"{part}_{measure}"])
        for run, frame in curves.items()
        for part in PARTS
    ]
    return pd.concat(frames, ignore_index=True).dropna(subset="value")


def curves_chart(curves: Mapping[str, pd.DataFrame], measure: str, title: str) -> LayeredChart:
    """A line for train and a dashed one for val per run; accuracies are shown in percent."""
    names = list(curves)
    scale = alt.Scale(domain=list(PARTS), range=list(PARTS.values()))
    form = PERCENT if measure == "accuracy" else ".2f"
    base = alt.Chart(curves_frame(curves, measure)).encode(
        x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y("value:Q", title=title, axis=alt.Axis(format=form, tickCount=6)),
        color=colours(names),
        strokeDash=alt.StrokeDash(
            "part:N", scale=scale, legend=alt.Legend(orient="top", title=None)
        ),
    )
    points = base.mark_point(size=70, opacity=0, filled=True).encode(
        tooltip=["run", "part", "epoch", alt.Tooltip("value:Q", format=".3f")]
    )
    return alt.layer(base.mark_line(strokeWidth=2.5), points).properties(height=CHART_HEIGHT)
