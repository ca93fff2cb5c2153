"""One round of the game: the photos and the choice of a country, then the truth.

Nothing that the browser receives before the guess reveals where a photo was taken: pictures have
no metadata, names, captions and widget keys contain only the round number, and store errors do
not contain the object key.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from dashboard.charts.maps import CHOICE_HEIGHT, CHOICES, MAP_HEIGHT, choice_map, probability_map
from dashboard.connections import Connections
from dashboard.game.rules import Game
from dashboard.notices import show_errors
from dashboard.sources.photos import read_photos, read_pictures
from dashboard.text import plain
from euguess.errors import EUGuessError, ServiceUnavailable, StoreError
from euguess.messages.serving import ModelCard, Prediction

PICTURE_SIDE = 640
ONE_WIDTH, MANY_WIDTH = 560, 340
MAP_RESETS = "map-resets"


def round_to_guess(game: Game, card: ModelCard, connections: Connections) -> None:
    """Draw the photos, with the choice of a country beside or below them."""
    is_single = len(game.location.keys) == 1
    photos, choice = st.columns([3, 2]) if is_single else (st.container(), st.container())
    is_shown = False
    with photos, show_errors(), _without_keys():
        is_shown = _pictures(game, connections)
    with choice:
        if is_shown:
            _choice(game, card, connections)
        else:
            st.warning("This place has a photo that cannot be shown.")
            _offer_to_skip(game)


def _choice(game: Game, card: ModelCard, connections: Connections) -> None:
    """Draw the country list and the map, which both select a country."""
    names = {country.country_code: country.name for country in card.countries}
    guess = st.selectbox(
        "Your guess",
        sorted(names, key=names.__getitem__),
        index=None,
        format_func=names.__getitem__,
        placeholder="Type, select or click on the map",
        key=_guess_key(game),
        on_change=_reset_map,
    )
    is_submitted = st.button(
        "Guess",
        type="primary",
        icon=":material/flag:",
        shortcut="Ctrl+Enter",
        disabled=guess is None,
        key=f"give-{game.round}",
    )
    if is_submitted and guess is not None:
        _submit(game, guess, connections)
    _choice_map(game, names, guess)


def _guess_key(game: Game) -> str:
    return f"guess-{game.round}"


def _choice_map(game: Game, names: Mapping[str, str], guess: str | None) -> None:
    """Draw the map; a click selects the country in the list."""
    key = f"map-{game.round}-{st.session_state.get(MAP_RESETS, 0)}"

    def choose() -> None:
        clicked = st.session_state[key].selection.objects.get(CHOICES)
        if clicked:
            st.session_state[_guess_key(game)] = clicked[0]["properties"]["code"]

    deck = choice_map(names, guess)
    st.pydeck_chart(deck, height=CHOICE_HEIGHT, key=key, on_select=choose)


def _reset_map() -> None:
    """Clear the selection of the map with a new widget key, because the list was changed."""
    st.session_state[MAP_RESETS] = st.session_state.get(MAP_RESETS, 0) + 1


def _submit(game: Game, guess: str, connections: Connections) -> None:
    try:
        prediction = _predict(game, connections)
    except EUGuessError as error:
        st.error(plain(error), icon=":material/cloud_off:")
        st.caption("The model has not guessed yet. Try again in a moment, or skip this place.")
        _offer_to_skip(game)
        return
    game.answer(guess, prediction)
    st.rerun()


def _predict(game: Game, connections: Connections) -> Prediction:
    """Return the model's prediction from the stored photos. Raises EUGuessError."""
    with _without_keys():
        photos = read_photos(connections.store, game.location.keys)
    prediction = connections.inference.predict(photos)
    if prediction.model.version != game.model_version:
        raise ServiceUnavailable("TorchServe is switching to another model.")
    return prediction


@contextmanager
def _without_keys() -> Iterator[None]:
    """Strip object keys from store errors, because the key of a photo contains its country."""
    try:
        yield
    except StoreError as error:
        raise type(error) from error


def _pictures(game: Game, connections: Connections) -> bool:
    """Show the photos. Returns False if one is damaged. Raises StoreError."""
    pictures = read_pictures(connections, game.location.keys, PICTURE_SIDE)
    width = ONE_WIDTH if len(pictures) == 1 else MANY_WIDTH
    with st.container(horizontal=True):
        for data in pictures:
            if data is None:
                return False
            st.image(data, width=width)
    return True


def _offer_to_skip(game: Game) -> None:
    st.button("Skip this place", icon=":material/skip_next:", on_click=game.drop_location)


def reveal(game: Game, card: ModelCard, connections: Connections) -> None:
    """Show the truth, both guesses and the attribution of the photos."""
    names = {country.country_code: country.name for country in card.countries}
    answer, location = game.answers[-1], game.location
    st.header(f"This is {plain(names[answer.truth])}.")
    with st.container(horizontal=True):
        _guess("You", names[answer.guess], is_right=answer.is_right)
        model = f"{names.get(answer.model, answer.model)}, {answer.probability:.0%} sure"
        _guess("The model", model, is_right=answer.is_model_right)
    is_last = len(game.answers) == len(game.locations)
    label = "See the score" if is_last else "Next place"
    icon = ":material/arrow_forward:"
    st.button(label, type="primary", icon=icon, shortcut="Enter", on_click=game.proceed)
    photos, land = st.columns(2) if len(location.keys) == 1 else (st.container(), st.container())
    with photos, show_errors():
        _pictures(game, connections)
        facts = (location.attribution, location.license, location.location_id)
        st.caption(" · ".join(plain(text) for text in facts))
    with land:
        _truth_map(game, answer.truth)


def _truth_map(game: Game, truth: str) -> None:
    if game.prediction is not None:
        deck = probability_map(game.prediction.probabilities, {truth})
        st.pydeck_chart(deck, height=MAP_HEIGHT, key=f"truth-{game.round}")
        st.caption("Blue: the model's probability, darker is higher. Orange border: the truth.")


def _guess(who: str, named: str, *, is_right: bool) -> None:
    icon = ":material/check_circle:" if is_right else ":material/cancel:"
    shown = st.success if is_right else st.error
    shown(f"{who}: {plain(named)}", icon=icon)
