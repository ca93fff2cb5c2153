"""Charts of a collection: slots by country and status."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.palette import BLUE, GREEN, GREY, ORANGE, VERMILLION
from euguess.messages.collection import StatusCounts

STATUS_COLOURS = {
    "stored": GREEN,
    "pending": GREY,
    "no coverage": ORANGE,
    "failed": VERMILLION,
}


def counts_frame(countries: Mapping[str, StatusCounts]) -> pd.DataFrame:
    """Return a row per country and status: country, status, locations, quota."""
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


def counts_chart(countries: Mapping[str, StatusCounts]) -> alt.LayerChart | alt.FacetChart:
    """Draw stacked bars of slot statuses per country, with the quota as a tick."""
    base = alt.Chart(counts_frame(countries)).encode(
        x=alt.X("country:N", sort=None, title="Country (ISO 3166-1)", axis=alt.Axis(labelAngle=0))
    )
    scale = alt.Scale(domain=list(STATUS_COLOURS), range=list(STATUS_COLOURS.values()))
    bars = base.mark_bar().encode(
        y=alt.Y("sum(locations):Q", title="Places", axis=alt.Axis(format="d", tickMinStep=1)),
        color=alt.Color("status:N", scale=scale, title="Status"),
        order="order:Q",
        tooltip=["country", "status", "locations", "quota"],
    )
    quota = base.mark_tick(thickness=2, color=BLUE).encode(y="max(quota):Q")
    return alt.layer(bars, quota)
