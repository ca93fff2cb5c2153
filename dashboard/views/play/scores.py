"""The final score of a game, and the scoreboard."""

from collections.abc import Sequence

import streamlit as st

from dashboard.game.rules import GameResult, RoundResult
from dashboard.game.scoreboard import averages, ranked, read_results
from dashboard.store import Store
from dashboard.text import country_name
from euguess.messages.records import Interval

BEST_SHOWN = 50
KEPT_SECONDS = 10.0


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_scores(_store: Store) -> list[GameResult]:
    """Return the results of all games, newest first."""
    return _store.run(read_results)


def final_score(answers: Sequence[RoundResult]) -> None:
    """Show the winner and each round."""
    right = sum(answer.is_right for answer in answers)
    model_right = sum(answer.is_model_right for answer in answers)
    st.header(_verdict(right, model_right))
    with st.container(horizontal=True):
        st.metric("You", f"{right} of {len(answers)}", border=True)
        st.metric("The model", f"{model_right} of {len(answers)}", border=True)
    rows = [
        {
            "Country": country_name(answer.truth),
            "You": _cell(answer.guess, is_right=answer.is_right),
            "The model": _cell(answer.model, is_right=answer.is_model_right),
        }
        for answer in answers
    ]
    st.dataframe(rows, hide_index=True)


def _verdict(right: int, model_right: int) -> str:
    if right == model_right:
        return "A draw."
    return "You won!" if right > model_right else "The model won."


def _cell(code: str, *, is_right: bool) -> str:
    return f"{'✓' if is_right else '✗'} {country_name(code)}"


def scoreboard(results: Sequence[GameResult]) -> None:
    """Draw the averages over all games, and the best games."""
    st.header("Scoreboard")
    if not results:
        st.info("No finished games yet.", icon=":material/emoji_events:")
        return
    means = averages(results)
    with st.container(horizontal=True):
        st.metric("People", _percent(means.people), border=True)
        st.metric("The model, same photos", _percent(means.model), border=True)
        st.metric("Rounds", f"{means.rounds:,}", border=True)
    st.caption("Accuracy, with Wilson's 95% interval over rounds, taken as independent.")
    rows = [_row(rank, result) for rank, result in enumerate(ranked(results), start=1)]
    st.dataframe(rows[:BEST_SHOWN], hide_index=True)


def _row(rank: int, result: GameResult) -> dict[str, object]:
    return {
        "#": rank,
        "Player": result.player,
        "Correct": f"{result.right} of {len(result.answers)}",
        "The model": f"{result.model_right} of {len(result.answers)}",
        "Photos": "all" if result.is_with_all_views else "one",
        "Played (UTC)": f"{result.played_at:%Y-%m-%d %H:%M}",
    }


def _percent(interval: Interval) -> str:
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.0f}% [{low:.0f}, {high:.0f}]"
