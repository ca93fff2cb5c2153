"""Elements that several charts share: the line of chance, and tooltips of shares."""

from collections.abc import Collection
from typing import TypeAlias

import altair as alt
import pandas as pd

from dashboard.charts.palette import GREY

LayeredChart: TypeAlias = alt.LayerChart | alt.FacetChart


def chance_line(chances: Collection[float], channel: str = "x", colour: str = GREY) -> alt.Chart:
    """Draw dashed lines at chances (0..1), vertical for channel x and horizontal for y."""
    chart: alt.Chart = alt.Chart(pd.DataFrame({"chance": list(chances)}))
    dashed: alt.Chart = chart.mark_rule(strokeDash=[4, 4], color=colour)
    return dashed.encode(**{channel: "chance:Q"})


def share_tooltips(*names: str) -> list[alt.Tooltip]:
    """Return tooltips that format shares (0..1) in percent."""
    return [alt.Tooltip(f"{name}:Q", format=".1%") for name in names]
