"""Answers of the model server, kept for a moment: a page is drawn anew at each touch."""

import streamlit as st

from euguess.clients import InferenceClient
from euguess.messages.serving import Explanation, Prediction

KEPT_SECONDS = 120.0
MOST_KEPT = 32


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MOST_KEPT, show_spinner="Asking the model")
def read_prediction(_inference: InferenceClient, photos: tuple[bytes, ...]) -> Prediction:
    """Raises InvalidInput with the server's reason, or ServiceUnavailable; errors are not kept."""
    return _inference.predict(photos)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MOST_KEPT, show_spinner="Asking the model why")
def read_explanation(_inference: InferenceClient, photos: tuple[bytes, ...]) -> Explanation:
    """Raises as read_prediction does."""
    return _inference.explain(photos)
