"""Colours, dashes and shapes that distinguish runs."""

from collections.abc import Sequence

import altair as alt

from dashboard.charts.palette import OKABE_ITO

DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross")
MAX_RUNS = len(DASHES)


def colours(names: Sequence[str]) -> alt.Color:
    """Colour the field run, with a legend in one column."""
    scale = alt.Scale(domain=list(names), range=list(OKABE_ITO[: len(names)]))
    return alt.Color("run:N", scale=scale, legend=_legend(names))


def dashes(names: Sequence[str]) -> alt.StrokeDash:
    scale = alt.Scale(domain=list(names), range=list(DASHES[: len(names)]))
    return alt.StrokeDash("run:N", scale=scale, legend=_legend(names))


def shapes(names: Sequence[str]) -> alt.Shape:
    scale = alt.Scale(domain=list(names), range=list(SHAPES[: len(names)]))
    return alt.Shape("run:N", scale=scale, legend=_legend(names))


def _legend(names: Sequence[str]) -> alt.Legend | None:
    if len(names) < 2:
        return None
    return alt.Legend(orient="top", title=None, columns=1, labelLimit=0, symbolOpacity=1)
