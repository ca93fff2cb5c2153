"""The legend of a map: a coloured dot for each group of places."""

from collections import Counter
from collections.abc import Mapping
from html import escape

import pandas as pd
import streamlit as st

from dashboard.charts.palette import GREY
from dashboard.text import country_name

ITEM = '<span style="white-space:nowrap"><b style="color:{colour}">●</b> {name} {count:,}</span>'


def legend(groups: "pd.Series[str]", colour_of: Mapping[str, str]) -> None:
    """Draw the groups of a map's places with their numbers, by name."""
    counts = Counter(map(str, groups))
    items = [
        ITEM.format(
            colour=colour_of.get(group, GREY),
            name=escape(country_name(group)),
            count=counts[group],
        )
        for group in sorted(counts, key=country_name)
    ]
    style = "display:flex;flex-wrap:wrap;gap:0.1rem 1rem;font-size:0.875rem"
    st.html(f'<div style="{style}">{"".join(items)}</div>')
