"""Starting a training: a dataset, a recipe with changes, and what was said to the order."""

from collections.abc import Sequence

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import empty_state, show_errors
from dashboard.sources.collections import read_queues, read_statuses
from dashboard.sources.runs import read_recipe
from dashboard.text import plain
from dashboard.views.training.names import stable_name
from dashboard.views.training.recipes import changed, shipped_recipes
from euguess.clients import SamplerClient
from euguess.clock import utc_now
from euguess.messages.training import TrainRun
from euguess.training.runs import TrainingRun

FIRST_RECIPE = "demo"
OPEN = "training-start"  # whether the form is
ORDERS = "training-orders"  # how many this session has sent; part of the button's key
ORDERED_AT = "training-ordered-at"
KNOWN = "training-known"  # ids of the runs there were when the last order was sent
PREVIEW_PX = 260


def start_section(connections: Connections, runs: Sequence[TrainingRun]) -> None:
    """The form; open where nothing has been trained yet."""
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
    """What is written in it stays while it is closed; the highlighter is slow to load."""
    left, right = st.columns(2)
    with left:
        dataset = st.selectbox("Dataset", datasets, key="start-dataset")
        text = _recipe(connections, runs)
        changes = st.text_area(
            "Changes to the recipe, one key=value on a line",
            key="start-changes",
            placeholder="epochs=20\noptimizer.learning_rate=0.001",
        )
        promote = st.checkbox("Promote the model if it is better", key="start-promote")
    with right, show_errors():
        recipe = changed(text, changes)
        st.caption("The recipe that is sent")
        if is_open:
            st.code(recipe, language="toml", height=PREVIEW_PX)
        order = TrainRun(dataset=dataset, recipe=recipe, promote=promote)
        _button(order, connections.sampler, runs)


def _recipe(connections: Connections, runs: Sequence[TrainingRun]) -> str:
    """Text of the chosen recipe: a shipped one, or that of a run."""
    shipped, recorded = shipped_recipes(), {f"run {run.run_id}": run for run in runs}
    names = [*shipped, *recorded]
    chosen = st.selectbox(
        "Recipe",
        names,
        index=names.index(FIRST_RECIPE) if FIRST_RECIPE in names else 0,
        key="start-recipe",
        format_func=lambda name: f"as {stable_name(recorded[name])}" if name in recorded else name,
    )
    if chosen in recorded:
        return read_recipe(connections.registry, recorded[chosen].run_id)
    return shipped[chosen]


def _button(order: TrainRun, sampler: SamplerClient, runs: Sequence[TrainingRun]) -> None:
    """Another button after each order: the second click of two has nothing to press."""
    sent = st.session_state.setdefault(ORDERS, 0)
    if st.button("Start", type="primary", icon=":material/play_arrow:", key=f"start-{sent}"):
        st.session_state[ORDERS] = sent + 1
        st.session_state[ORDERED_AT] = utc_now()
        st.session_state[KNOWN] = [run.run_id for run in runs]
        sampler.train(order)
        read_queues.clear()
        said = f"Queued on {order.dataset}. It is shown below as soon as the trainer begins it."
        st.success(plain(said), icon=":material/schedule_send:")
