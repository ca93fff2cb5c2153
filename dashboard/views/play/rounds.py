"""One round of the game: the photos and the choice of a country, then the truth.

Nothing that the page gets before the guess says where a photo was taken: pictures are pixels
alone, their names, captions and widgets' keys hold no more than the number of the round, and
errors of the store do not name the object.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import streamlit as st

from dashboard.charts.maps import CHOICE_HEIGHT, CHOICES, MAP_HEIGHT, choice_map, probability_map
from dashboard.connections import Connections
from dashboard.game.rules import Game
from dashboard.notices import show_errors
from dashboard.sources.photos import read_photos, read_pictures
from dashboard.store import Store
from dashboard.text import plain
from euguess.errors import EUGuessError, ServiceUnavailable, StoreError
from euguess.messages.serving import ModelCard, Prediction

PICTURE_SIDE = 640
ONE_WIDTH, MANY_WIDTH = 560, 340
CLICKS_FORGOTTEN = "clicks-forgotten"


def round_to_guess(game: Game, card: ModelCard, connections: Connections) -> None:
    """Photos, and beside or below them the choice of a country."""
    is_single = len(game.location.keys) == 1
    photos, choice = st.columns([3, 2]) if is_single else (st.container(), st.container())
    is_shown = False
    with photos, show_errors(), _unnamed():
        is_shown = _pictures(game, connections.store)
    with choice:
        if is_shown:
            _choice(game, card, connections)
        else:
            st.warning("This place has a photo that cannot be shown.")
            _offer_to_skip(game)


def _choice(game: Game, card: ModelCard, connections: Connections) -> None:
    """A country from a list, by mouse or keys, or from the map."""
    names = {country.country_code: country.name for country in card.countries}
    guess = st.selectbox(
        "Your guess",
        sorted(names, key=names.__getitem__),
        index=None,
        format_func=names.__getitem__,
        placeholder="Type, choose or click on the map",
        key=_guess_key(game),
        on_change=_forget_click,
    )
    is_given = st.button(
        "Guess",
        type="primary",
        icon=":material/flag:",
        shortcut="Ctrl+Enter",
        disabled=guess is None,
        key=f"give-{game.round}",
    )
    if is_given and guess is not None:
        _give(game, guess, connections)
    _choice_map(game, names, guess)


def _guess_key(game: Game) -> str:
    return f"guess-{game.round}"


def _choice_map(game: Game, names: Mapping[str, str], guess: str | None) -> None:
    """A click chooses in the list."""
    key = f"map-{game.round}-{st.session_state.get(CLICKS_FORGOTTEN, 0)}"

    def choose() -> None:
        clicked = st.session_state[key].selection.objects.get(CHOICES)
        if clicked:
            st.session_state[_guess_key(game)] = clicked[0]["properties"]["code"]

    deck = choice_map(names, guess)
    st.pydeck_chart(deck, height=CHOICE_HEIGHT, key=key, on_select=choose)


def _forget_click() -> None:
    """What the list says counts; a new key takes the selection off the map."""
    st.session_state[CLICKS_FORGOTTEN] = st.session_state.get(CLICKS_FORGOTTEN, 0) + 1


def _give(game: Game, guess: str, connections: Connections) -> None:
    try:
        prediction = _ask(game, connections)
    except EUGuessError as error:
        st.error(plain(error), icon=":material/cloud_off:")
        st.caption("The model has to answer too. Guess again in a moment, or leave this place out.")
        _offer_to_skip(game)
        return
    game.answer(guess, prediction)
    st.rerun()


def _ask(game: Game, connections: Connections) -> Prediction:
    """The model's guess from the photos as they are stored. Raises EUGuessError."""
    with _unnamed():
        photos = read_photos(connections.store, game.location.keys)
    prediction = connections.inference.predict(photos)
    if prediction.model.version != game.model_version:
        raise ServiceUnavailable("TorchServe is changing to another model.")
    return prediction


@contextmanager
def _unnamed() -> Iterator[None]:
    """Errors of the store in general words: the key of a photo holds its country."""
    try:
        yield
    except StoreError as error:
        raise type(error) from error


def _pictures(game: Game, store: Store) -> bool:
    """Show the photos; False when one is damaged. Raises StoreError."""
    pictures = read_pictures(store, game.location.keys, PICTURE_SIDE)
    width = ONE_WIDTH if len(pictures) == 1 else MANY_WIDTH
    with st.container(horizontal=True):
        for data in pictures:
            if data is None:
                return False
            st.image(data, width=width)
    return True


def _offer_to_skip(game: Game) -> None:
    st.button("Leave this place out", icon=":material/skip_next:", on_click=game.drop_location)


def reveal(game: Game, card: ModelCard, store: Store) -> None:
    """The truth, both guesses, and whom the photos are owed to."""
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
        _pictures(game, store)
        owed = (location.attribution, location.license, location.location_id)
        st.caption(" · ".join(plain(text) for text in owed))
    with land:
        _truth_map(game, answer.truth)


def _truth_map(game: Game, truth: str) -> None:
    if game.prediction is not None:
        deck = probability_map(game.prediction.probabilities, {truth})
        st.pydeck_chart(deck, height=MAP_HEIGHT, key=f"truth-{game.round}")
        st.caption("Blue: the stronger, the likelier for the model. Orange border: the truth.")


def _guess(who: str, named: str, *, is_right: bool) -> None:
    icon = ":material/check_circle:" if is_right else ":material/cancel:"
    shown = st.success if is_right else st.error
    shown(f"{who}: {plain(named)}", icon=icon)
