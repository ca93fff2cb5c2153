"""The form that starts a run: a dataset, a recipe and overrides."""

from collections.abc import Sequence

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import empty_state, show_errors
from dashboard.sources.collections import read_queues, read_statuses
from dashboard.sources.runs import read_recipe
from dashboard.text import plain
from dashboard.views.training.names import stable_name
from dashboard.views.training.recipes import shipped_recipes, with_overrides
from euguess.clients import SamplerClient
from euguess.clock import utc_now
from euguess.messages.training import TrainRun
from euguess.training.runs import TrainingRun

FIRST_RECIPE = "demo"
OPEN = "training-start"  # state of the expander
REQUESTS = "training-requests"  # number sent in this session; part of the button's key
REQUESTED_AT = "training-requested-at"
KNOWN = "training-known"  # ids of the runs that existed at the last request
PREVIEW_PX = 260


def start_section(connections: Connections, runs: Sequence[TrainingRun]) -> None:
    """Draw the form, expanded if there are no runs yet."""
    section = st.expander(
        "Start a run",
        icon=":material/play_arrow:",
        expanded=not runs,
        key=OPEN,
        on_change="rerun",
    )
    with section, show_errors():
        statuses = read_statuses(connections.sampler)
        datasets = [status.spec.name for status in statuses if status.total.stored]
        if not datasets:
            command = "euguess dataset create demo --countries FR,PL --per-country 40 --wait"
            empty_state("A run needs a dataset with photos. Collect one:", command)
            return
        _form(datasets, connections, runs, is_open=bool(section.open))


def _form(
    datasets: list[str], connections: Connections, runs: Sequence[TrainingRun], *, is_open: bool
) -> None:
    """Draw the inputs; the recipe preview only while open, as its highlighter is slow to load."""
    left, right = st.columns(2)
    with left:
        dataset = st.selectbox("Dataset", datasets, key="start-dataset")
        text = _recipe(connections, runs)
        changes = st.text_area(
            "Overrides, one key=value per line",
            key="start-changes",
            placeholder="epochs=20\noptimizer.learning_rate=0.001",
        )
        promote = st.checkbox("Promote the model if it beats the champion", key="start-promote")
    with right, show_errors():
        recipe = with_overrides(text, changes)
        st.caption("Recipe to submit")
        if is_open:
            st.code(recipe, language="toml", height=PREVIEW_PX)
        request = TrainRun(dataset=dataset, recipe=recipe, promote=promote)
        _button(request, connections.sampler, runs)


def _recipe(connections: Connections, runs: Sequence[TrainingRun]) -> str:
    """Return the selected recipe as text: a shipped one, or that of a run."""
    shipped, recorded = shipped_recipes(), {f"run {run.run_id}": run for run in runs}
    names = [*shipped, *recorded]
    chosen = st.selectbox(
        "Recipe",
        names,
        index=names.index(FIRST_RECIPE) if FIRST_RECIPE in names else 0,
        key="start-recipe",
        format_func=lambda name: (
            f"Same as {stable_name(recorded[name])}" if name in recorded else name
        ),
    )
    if chosen in recorded:
        return read_recipe(connections.registry, recorded[chosen].run_id)
    return shipped[chosen]


def _button(request: TrainRun, sampler: SamplerClient, runs: Sequence[TrainingRun]) -> None:
    """Draw a new button after each request, so that a double click sends only one."""
    sent = st.session_state.setdefault(REQUESTS, 0)
    if st.button("Start", type="primary", icon=":material/play_arrow:", key=f"start-{sent}"):
        st.session_state[REQUESTS] = sent + 1
        st.session_state[REQUESTED_AT] = utc_now()
        st.session_state[KNOWN] = [run.run_id for run in runs]
        sampler.train(request)
        read_queues.clear()
        message = f"Queued on {request.dataset}. The run appears below when the trainer starts it."
        st.success(plain(message), icon=":material/schedule_send:")
