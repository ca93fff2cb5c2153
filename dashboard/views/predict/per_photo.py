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
    """Show a prediction from each photo alone, if there are several."""
    if len(photos) < 2 or not st.toggle("Predict from each photo alone", key="predict-alone"):
        return
    with show_errors():
        alone = [read_prediction(inference, (photo,)) for photo in photos]
        st.altair_chart(views_chart(together, alone))
        st.caption("Left of each bar: the prediction from that photo alone.")


def heat_maps(photos: tuple[bytes, ...], inference: InferenceClient) -> None:
    """Show each photo with its heat map; the server takes some seconds to explain."""
    if not st.toggle("Explain: heat maps and the effect of each photo", key="predict-why"):
        return
    with show_errors():
        found = read_explanation(inference, photos)
        with st.container(horizontal=True):
            for number, photo in enumerate(photos, start=1):
                picture = _picture(photo, found.views[number - 1].heat_map)
                st.image(picture, caption=_caption(number, found), width=PICTURE_WIDTH)
        st.caption(
            f"Orange: regions that support {plain(found.country)} ({plain(found.method)}), scaled "
            "for each photo. A heat map shows what the network used, not whether it was right to."
        )


def _caption(number: int, found: Explanation) -> str:
    effect = found.views[number - 1].effect
    if effect is None:
        return f"View {number}"
    return f"View {number}: {100 * effect:+.1f} points"


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(photo: bytes, heat_map: str) -> bytes:
    """Return the overlay as JPEG. Raises InvalidImage."""
    buffer = io.BytesIO()
    overlay(photo, heat_map).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()
