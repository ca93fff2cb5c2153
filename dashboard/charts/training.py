"""Charts of learning curves and test accuracies (the study's figures 6 to 8)."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, chance_line, share_tooltips
from dashboard.charts.palette import GREY
from dashboard.charts.series import colours
from euguess.messages.records import Interval

CHART_HEIGHT = 320  # pixels
OUTLIER_TIMES = 10  # of the median: a value beyond it flattens the rest of a chart
PARTS = {"train": [1, 0], "val": [5, 3]}  # dashes
PARTS_LEGEND = alt.Legend(
    orient="top", title=None, symbolType="stroke", symbolStrokeColor=GREY, symbolSize=300
)
PERCENT = "%"
BAR_HEIGHT, LEGEND_LINE, FRAME_HEIGHT = 36, 20, 70  # pixels


def curves_frame(curves: Mapping[str, pd.DataFrame], measure: str) -> pd.DataFrame:
    """Return a row per run, part and epoch: run, part, epoch, value of accuracy or loss."""
    frames = [
        frame[["epoch"]].assign(run=run, part=part, value=frame[f"{part}_{measure}"])
        for run, frame in curves.items()
        for part in PARTS
    ]
    return pd.concat(frames, ignore_index=True).dropna(subset="value")


def has_outliers(curves: Mapping[str, pd.DataFrame], measure: str) -> bool:
    """Return True if the largest value would flatten the others on a linear scale."""
    values = curves_frame(curves, measure)["value"]
    return bool(len(values)) and values.max() > OUTLIER_TIMES * values.median() > 0


def curves_chart(
    curves: Mapping[str, pd.DataFrame], measure: str, title: str, *, is_log: bool = False
) -> LayeredChart:
    """Draw a solid line for train and a dashed one for val per run; accuracies in percent.

    A logarithmic scale leaves out values that are not positive.
    """
    names = list(curves)
    scale = alt.Scale(domain=list(PARTS), range=list(PARTS.values()))
    form = PERCENT if measure == "accuracy" else ".2~g" if is_log else ".2f"
    frame = curves_frame(curves, measure)
    base = alt.Chart(frame[frame["value"] > 0] if is_log else frame).encode(
        x=alt.X("epoch:Q", title="Epoch", axis=alt.Axis(tickMinStep=1, format="d")),
        y=alt.Y(
            "value:Q",
            title=title,
            axis=alt.Axis(format=form, tickCount=6),
            scale=alt.Scale(type="log", nice=True) if is_log else alt.Undefined,
        ),
        color=colours(names),
    )
    dashes = alt.StrokeDash("part:N", scale=scale, legend=PARTS_LEGEND)
    lines = base.mark_line(strokeWidth=2.5).encode(strokeDash=dashes)
    points = base.mark_point(size=70, opacity=0, filled=True).encode(
        detail="part:N", tooltip=["run", "part", "epoch", alt.Tooltip("value:Q", format=".3f")]
    )
    return alt.layer(lines, points).properties(height=CHART_HEIGHT)


def accuracies_chart(accuracies: Mapping[str, Interval], chance: float) -> LayeredChart:
    """Draw a bar with its 95% interval per run, in the given order; the dashed line is chance."""
    names = list(accuracies)
    frame = pd.DataFrame([{"run": name, **one.model_dump()} for name, one in accuracies.items()])
    axis = alt.Axis(format="%", tickCount=6, title="Accuracy over test photos (%); dashed: chance")
    base = alt.Chart(frame).encode(
        y=alt.Y("run:N", sort=names, title="Run", axis=alt.Axis(labels=False, ticks=False))
    )
    bars = base.mark_bar(opacity=0.8).encode(
        x=alt.X("value:Q", axis=axis, scale=alt.Scale(zero=True)),
        color=colours(names),
        tooltip=["run", *share_tooltips("value", "low", "high")],
    )
    intervals = base.mark_rule(strokeWidth=3, color=GREY).encode(x="low:Q", x2="high:Q")
    dashed = chance_line([chance])
    height = (BAR_HEIGHT + LEGEND_LINE) * len(names) + FRAME_HEIGHT
    return alt.layer(bars, intervals, dashed).properties(height=height)
