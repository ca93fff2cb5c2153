"""What a model says of a place, as a chart; nothing here knows Streamlit."""

from typing import TypeAlias

import altair as alt
import pandas as pd

from dashboard.charts.palette import BLUE, GREY
from euguess.schemas import Prediction

LayeredChart: TypeAlias = alt.LayerChart | alt.FacetChart

IN_SET, OUTSIDE = "in the 90 % set", "not in it"
SET_COLOURS = {IN_SET: BLUE, OUTSIDE: GREY}
ROW_HEIGHT, FRAME_HEIGHT = 28, 100  # pixels; the frame is legend, axis and its title


def top_chart(prediction: Prediction) -> LayeredChart:
    """The likeliest countries with their probabilities, those of the country set marked."""
    rows = [
        {
            "country": row.country,
            "probability": row.probability,
            "set": IN_SET if row.country_code in prediction.country_set else OUTSIDE,
        }
        for row in prediction.top
    ]
    scale = alt.Scale(domain=list(SET_COLOURS), range=list(SET_COLOURS.values()))
    base = alt.Chart(pd.DataFrame(rows)).encode(
        x=alt.X(
            "probability:Q",
            title="Probability (%)",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        ),
        y=alt.Y(
            "country:N",
            sort=None,
            title="Country",
            axis=alt.Axis(labelLimit=140, labelOverlap=False),
        ),
        tooltip=["country", alt.Tooltip("probability:Q", format=".2%"), "set"],
    )
    bars = base.mark_bar().encode(
        color=alt.Color("set:N", scale=scale, legend=alt.Legend(orient="top", title=None))
    )
    numbers = base.mark_text(align="left", dx=4, color=GREY).encode(
        text=alt.Text("probability:Q", format=".1%")
    )
    return alt.layer(bars, numbers).properties(height=ROW_HEIGHT * len(rows) + FRAME_HEIGHT)
