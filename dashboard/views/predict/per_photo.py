"""Each photo on its own, on demand: the prediction from it alone, and its heat map."""

import streamlit as st

from dashboard.charts.prediction import views_chart
from dashboard.connections import Connections
from dashboard.notices import show_errors
from dashboard.sources.photos import encode_picture
from dashboard.sources.predictions import read_explanation, read_prediction
from dashboard.text import plain
from euguess.clients import InferenceClient
from euguess.images.limited_decoder import DecoderPool
from euguess.images.overlays import SIDE, overlay
from euguess.images.photo_headers import InvalidImage
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


def heat_maps(photos: tuple[bytes, ...], connections: Connections) -> None:
    """Show each photo with its heat map; the server takes some seconds to explain."""
    if not st.toggle("Explain: heat maps and the effect of each photo", key="predict-why"):
        return
    with show_errors():
        found = read_explanation(connections.inference, photos)
        with st.container(horizontal=True):
            for number, photo in enumerate(photos, start=1):
                heat_map = found.views[number - 1].heat_map
                data = _picture(connections.decoders, photo, heat_map)
                _show(data, number, found)
        st.caption(
            f"Orange: regions that support {plain(found.country)} ({plain(found.method)}), scaled "
            "for each photo. A heat map shows what the network used, not whether it was right to."
        )


def _show(data: bytes | None, number: int, found: Explanation) -> None:
    if data is None:
        st.warning(f"View {number} cannot be shown.", width=PICTURE_WIDTH)
    else:
        st.image(data, caption=_caption(number, found), width=PICTURE_WIDTH)


def _caption(number: int, found: Explanation) -> str:
    effect = found.views[number - 1].effect
    if effect is None:
        return f"View {number}"
    return f"View {number}: {100 * effect:+.1f} points"


@st.cache_data(max_entries=64, show_spinner=False)
def _picture(_decoders: DecoderPool, photo: bytes, heat_map: str) -> bytes | None:
    """Return the overlay as JPEG; None if the photo is unusable."""
    try:
        square = _decoders.decode_photo(photo, SIDE)
    except InvalidImage:
        return None
    return encode_picture(overlay(square, heat_map))
