"""A prediction in words, bars and on the map."""

import streamlit as st

from dashboard.charts.maps import MAP_HEIGHT, probability_map
from dashboard.charts.prediction import top_chart
from dashboard.text import plain
from euguess.geography.countries import COUNTRIES
from euguess.messages.serving import Prediction

NAMES = {country.code: country.name for country in COUNTRIES}


def answer(prediction: Prediction, truth: str | None = None) -> None:
    """Draw it; truth is the code of the country where it is known."""
    guess = f"{plain(prediction.country)}, {prediction.probability:.0%}"
    st.header(f"Perhaps {guess}" if prediction.abstain else guess)
    if prediction.abstain:
        st.warning(
            "The model would rather not answer: it is too unsure to be right 9 times out of 10.",
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
    views = "1 photo" if prediction.views == 1 else f"{prediction.views} photos together"
    st.caption(
        plain(f"Version {model.version}, trained on {model.dataset}, {model.trained_at:%Y-%m-%d}")
        + f" · {views}"
    )


def _truth(prediction: Prediction, truth: str) -> None:
    name = plain(NAMES.get(truth, truth))
    if prediction.country_code == truth:
        st.success(f"Right: this is {name}.", icon=":material/check_circle:")
    elif truth in prediction.country_set:
        st.info(f"This is {name}, which is in its country set.", icon=":material/adjust:")
    else:
        st.error(f"Wrong: this is {name}.", icon=":material/cancel:")


def _country_set(prediction: Prediction) -> None:
    names = ", ".join(plain(NAMES.get(code, code)) for code in prediction.country_set)
    count = len(prediction.country_set)
    st.markdown(f"**Country set** ({count}): {names}")
    st.caption(
        "A calibrated model's set holds the true country of 9 in 10 places like its training's."
    )


def _map(prediction: Prediction) -> None:
    deck = probability_map(prediction.probabilities, prediction.country_set)
    st.pydeck_chart(deck, height=MAP_HEIGHT, key="map-probabilities")
    st.caption(
        "Blue: the stronger, the likelier; orange border: the country set. "
        f"The model knows {len(prediction.probabilities)} countries; the others are grey."
    )
