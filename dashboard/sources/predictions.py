"""Responses of the model server, cached because Streamlit redraws a page on each interaction."""

import streamlit as st

from euguess.clients import InferenceClient
from euguess.messages.serving import Explanation, Prediction

KEPT_SECONDS = 120.0
MAX_CACHED = 32


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MAX_CACHED, show_spinner="Running the model")
def read_prediction(_inference: InferenceClient, photos: tuple[bytes, ...]) -> Prediction:
    """Return a prediction. Raises InvalidInput with the server's reason, or ServiceUnavailable."""
    return _inference.predict(photos)


@st.cache_data(ttl=KEPT_SECONDS, max_entries=MAX_CACHED, show_spinner="Explaining the prediction")
def read_explanation(_inference: InferenceClient, photos: tuple[bytes, ...]) -> Explanation:
    """Return an explanation. Raises the same errors as read_prediction."""
    return _inference.explain(photos)
