"""Charts that compare accuracies of several kinds, such as the study's and ours."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart, chance_line, share_tooltips
from dashboard.charts.palette import BLUE, GREEN, ORANGE, PURPLE, VERMILLION
from euguess.messages.records import Interval

Styles: TypeAlias = Mapping[str, tuple[str, str]]  # colour and shape of each kind

KIND_HEIGHT, GAP, LEGEND_LINE, FRAME = 20, 12, 30, 80  # pixels

LABEL_WIDTH = 13  # characters, so that charts fit phones
STUDY, LEAKY = "the study", "ours, leaky test"
ONE, ALL = "ours, honest test", "ours, honest, all views"
UNSURE = "ours, places unknown"
STUDY_STYLES = {
    STUDY: (ORANGE, "diamond"),
    LEAKY: (VERMILLION, "square"),
    ONE: (BLUE, "circle"),
    ALL: (GREEN, "triangle-up"),
    UNSURE: (PURPLE, "cross"),
}
LEAKY_TEST, HONEST_TEST = "leaky: places also trained on", "honest: new places"
UNSURE_TEST = "places unknown: may leak"
HONESTY_STYLES = {
    LEAKY_TEST: (VERMILLION, "square"),
    HONEST_TEST: (BLUE, "circle"),
    UNSURE_TEST: (PURPLE, "cross"),
}


@dataclass(frozen=True)
class Figure:
    """An accuracy (0..1) in a row of the chart; low and high equal value without an interval."""

    row: str
    kind: str
    accuracy: Interval


def figures_chart(
    figures: Sequence[Figure], styles: Styles, chance: float, row_title: str
) -> LayeredChart:
    """Draw the kinds of each row with 95% intervals; the dashed line is chance."""
    frame = pd.DataFrame(
        [
            {"row": one.row, "label": _wrapped(one.row), "kind": one.kind}
            | one.accuracy.model_dump()
            for one in figures
        ]
    )
    kinds = [kind for kind in styles if kind in set(frame["kind"])]
    legend = alt.Legend(orient="top", title=None, columns=1, labelLimit=0)
    axis = alt.Axis(format="%", tickCount=6, title="Accuracy (%); dashed: chance")
    labels = alt.Axis(labelLimit=0, labelExpr="split(datum.label, '\\n')")
    base = alt.Chart(frame).encode(
        y=alt.Y("label:N", sort=None, title=row_title, axis=labels),
        yOffset=alt.YOffset("kind:N", sort=kinds),
        color=alt.Color("kind:N", scale=_scale(kinds, styles, 0), legend=legend),
    )
    lines = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", axis=axis), x2="high:Q")
    points = base.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("value:Q", axis=axis),
        shape=alt.Shape("kind:N", scale=_scale(kinds, styles, 1), legend=legend),
        tooltip=["row", "kind", *share_tooltips("value", "low", "high")],
    )
    dashed = chance_line([chance])
    height = frame["row"].nunique() * (KIND_HEIGHT * len(kinds) + GAP)
    height += LEGEND_LINE * len(kinds) + FRAME
    return alt.layer(dashed, lines, points).properties(height=height)


def _wrapped(row: str) -> str:
    return "\n".join(textwrap.wrap(row, LABEL_WIDTH))


def _scale(kinds: Sequence[str], styles: Styles, part: int) -> alt.Scale:
    return alt.Scale(domain=list(kinds), range=[styles[kind][part] for kind in kinds])
