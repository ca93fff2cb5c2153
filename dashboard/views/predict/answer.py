"""A prediction as text, chart and map."""

import streamlit as st

from dashboard.charts.maps import MAP_HEIGHT, probability_map
from dashboard.charts.prediction import top_chart
from dashboard.glossary import explain
from dashboard.text import country_name, plain
from euguess.messages.serving import Prediction


def answer(prediction: Prediction, truth: str | None = None) -> None:
    """Draw a prediction; truth is the true country code if known."""
    name, share = plain(prediction.country), f"{prediction.probability:.0%}"
    if prediction.abstain:
        st.header(f"Best guess: {name} ({share})", help=explain("abstain"))
    else:
        st.header(f"{name}, {share}")
    if prediction.unfamiliar:
        st.warning(
            "These photos look unlike anything that the model was trained on. Its answer means "
            "little.",
            icon=":material/visibility_off:",
        )
    elif prediction.abstain:
        st.warning(
            "The model abstains: it is not confident enough to be right 9 times out of 10.",
            icon=":material/help:",
        )
    if truth is not None:
        _truth(prediction, truth)
    bars, land = st.columns(2)
    with bars:
        st.altair_chart(top_chart(prediction))
        _country_set(prediction)
    with land:
        _map(prediction)
    model = prediction.model
    views = "1 photo" if prediction.views == 1 else f"{prediction.views} photos fused"
    st.caption(
        plain(f"Version {model.version}, trained on {model.dataset}, {model.trained_at:%Y-%m-%d}")
        + f" · {views}"
    )


def _truth(prediction: Prediction, truth: str) -> None:
    name = plain(country_name(truth))
    if prediction.country_code == truth:
        st.success(f"Correct: this is {name}.", icon=":material/check_circle:")
    elif truth in prediction.country_set:
        st.info(f"This is {name}, which is in the country set.", icon=":material/adjust:")
    else:
        st.error(f"Wrong: this is {name}.", icon=":material/cancel:")


def _country_set(prediction: Prediction) -> None:
    names = ", ".join(plain(country_name(code)) for code in prediction.country_set)
    count = len(prediction.country_set)
    st.markdown(f"**Country set** ({count}): {names}", help=explain("country set"))
    st.caption(
        "If the model is calibrated, the set contains the true country for 9 of 10 similar places."
    )


def _map(prediction: Prediction) -> None:
    deck = probability_map(prediction.probabilities, prediction.country_set)
    st.pydeck_chart(deck, height=MAP_HEIGHT, key="map-probabilities")
    st.caption(
        "Blue: probability, darker is higher. Orange border: country set. "
        f"The model knows {len(prediction.probabilities)} countries; others are grey."
    )
