"""Each photo on its own, on demand: the prediction from it alone, and its heat map."""

import io

import streamlit as st

from dashboard.charts.prediction import views_chart
from dashboard.notices import show_errors
from dashboard.sources.predictions import read_explanation, read_prediction
from dashboard.text import plain
from euguess.clients import InferenceClient
from euguess.images.overlays import overlay
from euguess.messages.serving import Explanation, Prediction

PICTURE_WIDTH = 280


def single_photo_predictions(
    together: Prediction, photos: tuple[bytes, ...], inference: InferenceClient
) -> None:
    """A question to the model server for each photo, where there are several."""
    if len(photos) < 2 or not st.toggle("What each photo says alone", key="predict-alone"):
        return
    with show_errors():
        alone = [read_prediction(inference, (photo,)) for photo in photos]
        st.altair_chart(views_chart(together, alone))
        st.caption("Left of each bar: what the model names from that photo alone.")


def heat_maps(photos: tuple[bytes, ...], inference: InferenceClient) -> None:
    """A picture per photo with its heat map laid over it; the server explains within seconds."""
    if not st.toggle("Why: heat maps and what each photo adds", key="predict-why"):
        return
    with show_errors():
        found = read_explanation(inference, photos)
        with st.container(horizontal=True):
            for number, photo in enumerate(photos, start=1):
                picture = _picture(photo, found.views[number - 1].heat_map)
                st.image(picture, caption=_caption(number, found), width=PICTURE_WIDTH)
        st.caption(
            f"Orange: what speaks for {plain(found.country)} ({plain(found.method)}), each photo "
            "on its own scale. A map shows where the network looked, not why that was right."
        )


def _caption(number: int, found: Explanation) -> str:
    effect = found.views[number - 1].effect
    if effect is None:
        return f"View {number}"
    return f"View {number}: {100 * effect:+.1f} points"


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(photo: bytes, heat_map: str) -> bytes:
    """As JPEG. Raises InvalidImage."""
    buffer = io.BytesIO()
    overlay(photo, heat_map).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
