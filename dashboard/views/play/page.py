"""Play: ten rounds of person against model on held-out places."""

import random

import streamlit as st

from dashboard.connections import Connections
from dashboard.game.rules import MAX_NAME, Game, draw_locations, held_out
from dashboard.game.scoreboard import save_result
from dashboard.notices import empty_state, show_errors
from dashboard.sources.manifests import read_contents
from dashboard.sources.versions import read_champion, read_seen
from dashboard.views.play.rounds import reveal, round_to_guess
from dashboard.views.play.scores import final_score, read_scores, scoreboard
from euguess.clock import utc_now
from euguess.messages.serving import ModelCard

GAME, SAVED = "game", "game-saved"
NEW_PLACES = " and was not trained on any of these places."
SAME_PLACES = (
    ". It was not trained on them, but perhaps on others of the same places: nothing tells which "
    "photos show the same place."
)
ONE_VIEW, ALL_VIEWS = "One photo", "All photos of the place"


def render(connections: Connections) -> None:
    """Draw the page; the session state keeps the game in progress."""
    st.title("Play")
    game: Game | None = st.session_state.get(GAME)
    with show_errors():
        if game is None:
            _start(connections)
        elif game.is_over:
            _end(game, connections)
        else:
            _round(game, connections)
    if game is None or game.is_over:
        with show_errors():
            scoreboard(read_scores(connections.store))


def _start(connections: Connections) -> None:
    card = read_champion(connections.registry)
    if card is None:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        empty_state("No model to play against yet. Train and promote one:", command)
        return
    st.markdown(
        f"Ten photos, {len(card.countries)} countries: where were they taken? The model sees the "
        f"same photos{SAME_PLACES if card.may_leak else NEW_PLACES}"
    )
    with st.form("start", border=True):
        player = st.text_input("Your name (shown on the scoreboard)", max_chars=MAX_NAME)
        shown = st.radio("Photos per round", [ONE_VIEW, ALL_VIEWS], horizontal=True)
        is_started = st.form_submit_button("Start", type="primary", icon=":material/play_arrow:")
    if is_started:
        _begin(card, player.strip() or "anonymous", shown == ALL_VIEWS, connections)


def _begin(card: ModelCard, player: str, is_with_all_views: bool, connections: Connections) -> None:
    seen = read_seen(connections.registry, card.version)
    contents = read_contents(connections.store, card.dataset)
    codes = {country.country_code for country in card.countries}
    views = held_out(contents, seen, codes) if seen else contents.views.iloc[:0]
    locations = draw_locations(views, random.SystemRandom(), is_with_all_views=is_with_all_views)
    if not locations:
        command = f"euguess train {card.dataset} --recipe experiments/demo.toml --promote"
        empty_state("The model has seen every place. Train one with held-out places:", command)
        return
    st.session_state[GAME] = Game(player, card.dataset, card.version, is_with_all_views, locations)
    st.session_state[SAVED] = False
    st.rerun()


def _round(game: Game, connections: Connections) -> None:
    card = read_champion(connections.registry)
    if card is None or card.version != game.model_version:
        st.warning("Another model has become champion. It may have been trained on these places.")
        _offer_another("Start over")
        return
    right, model_right = (
        sum(answer.is_right for answer in game.answers),
        sum(answer.is_model_right for answer in game.answers),
    )
    st.progress(
        (game.round + game.is_revealed) / len(game.locations),
        text=f"Round {game.round + 1} of {len(game.locations)} · You {right}, model {model_right}",
    )
    if game.is_revealed:
        reveal(game, card, connections)
    else:
        round_to_guess(game, card, connections)


def _end(game: Game, connections: Connections) -> None:
    if not game.answers:
        st.warning("None of these places could be displayed.")
    else:
        final_score(game.answers)
        if not st.session_state[SAVED]:
            result = game.result(utc_now())
            connections.store.run(lambda store: save_result(store, result))
            st.session_state[SAVED] = True
            read_scores.clear()
    _offer_another("Play again")


def _offer_another(label: str) -> None:
    if st.button(label, type="primary", icon=":material/replay:", shortcut="Enter"):
        del st.session_state[GAME]
        st.rerun()
