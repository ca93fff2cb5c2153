"""Charts of a dataset's contents."""

from collections.abc import Mapping

import altair as alt
import pandas as pd

from dashboard.charts.palette import BLUE, GREEN, ORANGE, PURPLE, SKY
from euguess.geography.countries import COUNTRIES

STUDY_QUOTAS = {country.code: country.quota for country in COUNTRIES}
SERIES = {"stored": SKY, "quota": BLUE, "the study's quota": ORANGE}


def balance_frame(places: pd.DataFrame, quotas: Mapping[str, int]) -> pd.DataFrame:
    """Return a row per country: country, stored, quota, the study's quota (its Table 1)."""
    stored = places["country_code"].value_counts()
    codes = list(dict.fromkeys([*quotas, *stored.index]))
    return pd.DataFrame(
        {
            "country": codes,
            "stored": [int(stored.get(code, 0)) for code in codes],
            "quota": [quotas.get(code, 0) for code in codes],
            "the study's quota": [STUDY_QUOTAS.get(code) for code in codes],
        }
    )


def balance_chart(
    places: pd.DataFrame, quotas: Mapping[str, int]
) -> alt.LayerChart | alt.FacetChart:
    """Draw stored places per country as bars, and both quotas as ticks."""
    frame = balance_frame(places, quotas)
    rows = frame.melt("country", var_name="series", value_name="places").dropna()
    scale = alt.Scale(domain=list(SERIES), range=list(SERIES.values()))
    legend = alt.Legend(orient="top", title=None)
    base = alt.Chart(rows).encode(
        x=alt.X("country:N", sort=None, title="Country (ISO 3166-1)", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("places:Q", title="Places", axis=alt.Axis(format="d", tickMinStep=1)),
        color=alt.Color("series:N", scale=scale, legend=legend),
        tooltip=["country", "series", "places"],
    )
    bars = base.transform_filter(alt.datum.series == "stored").mark_bar(opacity=1)
    quota = base.transform_filter(alt.datum.series == "quota").mark_tick(thickness=6, opacity=1)
    study = base.transform_filter(alt.datum.series == "the study's quota")
    return alt.layer(bars, quota, study.mark_tick(thickness=2, opacity=1))


def years_chart(places: pd.DataFrame) -> alt.Chart:
    """Draw places by capture year, without those of unknown year."""
    counts = places["year"].dropna().astype(int).value_counts().sort_index()
    return _bars(counts, "Capture year", PURPLE)


def views_chart(places: pd.DataFrame) -> alt.Chart:
    """Draw places by their number of stored views."""
    return _bars(places["views"].value_counts().sort_index(), "Views per place", GREEN)


def _bars(counts: "pd.Series[int]", title: str, colour: str) -> alt.Chart:
    rows = pd.DataFrame({"value": counts.index.astype(str), "places": counts.to_numpy()})
    bars: alt.Chart = alt.Chart(rows).mark_bar(color=colour)
    return bars.encode(
        x=alt.X("value:N", title=title, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("places:Q", title="Places", axis=alt.Axis(format="d", tickMinStep=1)),
        tooltip=[alt.Tooltip("value:N", title=title), "places"],
    )
