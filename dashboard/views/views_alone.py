"""What each photo says alone, beside what they say together; asked for on demand."""

import streamlit as st

from dashboard.charts.prediction import views_chart
from dashboard.sources.predictions import read_prediction
from dashboard.trouble import trouble_shown
from euguess.clients import InferenceClient
from euguess.messages.serving import Prediction


def views_alone(
    together: Prediction, photos: tuple[bytes, ...], inference: InferenceClient
) -> None:
    """A question to the model server for each photo, where there are several."""
    if len(photos) < 2 or not st.toggle("What each photo says alone", key="predict-alone"):
        return
    with trouble_shown():
        alone = [read_prediction(inference, (photo,)) for photo in photos]
        st.altair_chart(views_chart(together, alone))
        st.caption("Left of each bar: what the model names from that photo alone.")
