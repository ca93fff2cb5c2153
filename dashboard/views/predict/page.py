"""Predict: the champion's prediction for uploaded photos or a held-out example."""

from contextlib import suppress

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import show_errors
from dashboard.sources.predictions import read_prediction
from dashboard.sources.versions import read_champion
from dashboard.text import plain
from dashboard.views.predict.answer import answer
from dashboard.views.predict.curl import is_local, predict_command, token_command
from dashboard.views.predict.per_photo import heat_maps, single_photo_predictions
from dashboard.views.predict.photos import ChosenPhotos, example, uploaded
from euguess.clients import InferenceClient, RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.messages.records import MAX_VIEWS
from euguess.training.report import MAY_LEAK

UPLOAD, EXAMPLE = "Upload", "Example"


def render(connections: Connections) -> None:
    """Draw the page; photos are sent to the model server and not stored."""
    st.title("Predict")
    st.markdown(
        f"Where were these photos taken? Show the model 1 to {MAX_VIEWS} photos of one place."
    )
    source = st.segmented_control("Source", [UPLOAD, EXAMPLE], default=UPLOAD, key="predict-source")
    chosen: ChosenPhotos | None = None
    with show_errors():
        chosen = example(connections) if source == EXAMPLE else uploaded(connections)
    if chosen is None:
        return
    with show_errors():
        prediction = read_prediction(connections.inference, chosen.photos)
        answer(prediction, chosen.truth)
        _places_unknown(prediction.model.version, connections.registry)
        single_photo_predictions(prediction, chosen.photos, connections.inference)
        heat_maps(chosen.photos, connections)
    _command(connections.inference, len(chosen.photos))


def _places_unknown(version: str, registry: RegistryClient) -> None:
    """Say so if it is unknown which training photos show the same place."""
    with suppress(ServiceUnavailable):  # the prediction needs no registry
        card = read_champion(registry)
        if card is not None and card.version == version and card.may_leak:
            st.caption(
                f"This model's test is marked **{MAY_LEAK}**. It may be right less often on new "
                "places than its figures and its country sets say."
            )


def _command(inference: InferenceClient, views: int) -> None:
    """Show the same request as a command, without the token itself."""
    with st.expander("Query with curl", icon=":material/terminal:"):
        key_file = str(inference.key_file) if inference.key_file else None
        st.code(token_command(inference.url, key_file), language="bash", wrap_lines=True)
        st.code(
            predict_command(inference.url, min(views, MAX_VIEWS)), language="bash", wrap_lines=True
        )
        where = "" if is_local(inference.url) else " Run it on the host of the containers."
        st.caption(plain(f"Replace photo1.jpg with your own file names.{where}"))
