"""Charts of a prediction."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from dashboard.charts.marks import LayeredChart
from dashboard.charts.palette import BLUE, GREY, ORANGE
from euguess.messages.serving import Prediction

AGREES, DIFFERS = "same country", "different country"
VIEW_COLOURS = {AGREES: BLUE, DIFFERS: ORANGE}
IN_SET, OUTSIDE = "in the 90% set", "not in the set"
SET_COLOURS = {IN_SET: BLUE, OUTSIDE: GREY}
WIDEST = 1.15  # leaves room for the number beside a full bar
ROW_HEIGHT = 34  # pixels
AXES_HEIGHT = 110  # pixels of legend, axis and title


def top_chart(prediction: Prediction) -> LayeredChart:
    """Draw the most probable countries, with the country set marked."""
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
            scale=alt.Scale(domain=[0, WIDEST], nice=False),
            axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
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
    return alt.layer(bars, numbers).properties(height=ROW_HEIGHT * len(rows) + AXES_HEIGHT)


def views_frame(together: Prediction, alone: Sequence[Prediction]) -> pd.DataFrame:
    """Return a row per view: view (its own prediction), probability of the fused one, agrees."""
    rows = [
        {
            "view": f"{number}: {one.country}, {one.probability:.0%}",
            "probability": one.probabilities[together.country_code],
            "agrees": AGREES if one.country_code == together.country_code else DIFFERS,
        }
        for number, one in enumerate(alone, start=1)
    ]
    return pd.DataFrame(rows)


def views_chart(together: Prediction, alone: Sequence[Prediction]) -> alt.Chart:
    """Draw the probability that each view alone gives to the fused prediction."""
    frame = views_frame(together, alone)
    scale = alt.Scale(domain=list(VIEW_COLOURS), range=list(VIEW_COLOURS.values()))
    bars: alt.Chart = alt.Chart(frame).mark_bar()
    return bars.encode(
        x=alt.X(
            "probability:Q",
            title=f"Probability of {together.country} (%)",
            scale=alt.Scale(domain=[0, 1]),
            axis=alt.Axis(format="%", tickCount=5),
        ),
        y=alt.Y("view:N", sort=None, title="Photo", axis=alt.Axis(labelLimit=150)),
        tooltip=["view", alt.Tooltip("probability:Q", format=".2%")],
        color=alt.Color("agrees:N", scale=scale, legend=alt.Legend(orient="top", title=None)),
    ).properties(height=ROW_HEIGHT * len(frame) + AXES_HEIGHT)
