"""The scoreboard, kept for a moment."""

import streamlit as st

from dashboard.game import GameResult
from dashboard.scoreboard import read_results
from dashboard.store import Store

KEPT_SECONDS = 10.0


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_scores(_store: Store) -> list[GameResult]:
    """The newest first."""
    return _store.run(read_results)
