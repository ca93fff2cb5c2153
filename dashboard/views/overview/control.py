"""Stop and resume collections, and change their budgets."""

import streamlit as st

from dashboard.notices import show_errors
from dashboard.sources.collections import read_statuses
from dashboard.text import plain
from dashboard.views.overview.start import budget_fields
from euguess.clients import SamplerClient
from euguess.collection.providers import COLLECTED
from euguess.errors import ServiceUnavailable
from euguess.messages.collection import Budget, DatasetState, DatasetStatus

ACTIVE = (DatasetState.COLLECTING, DatasetState.PAUSED)
STOP_HELP = (
    "Publishes no more places. Those in progress are still stored, and all photos are kept. "
    "Resume at any time; nothing is paid for twice."
)
UNLIMITED = "Without numbers, spending is not limited."


def control_section(sampler: SamplerClient) -> None:
    """Draw the controls of a collection that is not complete; nothing without one."""
    try:
        found = {one.spec.name: one for one in read_statuses(sampler) if _is_controllable(one)}
    except ServiceUnavailable:
        return  # the section of collections shows the error
    if not found:
        return
    section = st.expander("Stop, resume or change the budget", icon=":material/tune:")
    with section, show_errors():
        chosen = st.selectbox("Collection", list(found), key="control-dataset")
        _run(found[chosen], sampler)
        _budget(found[chosen], sampler)


def _is_controllable(status: DatasetStatus) -> bool:
    return status.spec.provider in COLLECTED and status.state is not DatasetState.COMPLETE


def _run(status: DatasetStatus, sampler: SamplerClient) -> None:
    """Draw the button that stops the collection or resumes a stopped or paused one."""
    name = status.spec.name
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{plain(name)}**: {status.state.value}")
        is_stopped = status.state in ACTIVE and st.button(
            "Stop", icon=":material/stop:", help=STOP_HELP, key=f"stop-{name}"
        )
        is_resumed = (
            status.state is not DatasetState.COLLECTING
            and not status.is_budget_spent
            and st.button("Resume", icon=":material/resume:", key=f"resume-{name}")
        )
    st.caption(f"To stop it with a command: `euguess dataset stop {name}`")
    if is_stopped or is_resumed:
        if is_stopped:
            sampler.stop(name)
        else:
            sampler.create(status.spec)
        _redraw()


def _budget(status: DatasetStatus, sampler: SamplerClient) -> None:
    name = status.spec.name
    with st.form(f"budget-{name}"):
        budget = budget_fields(f"budget-{name}", status.budget or Budget())
        st.caption(f"{UNLIMITED} The budget counts from the start of the collection.")
        is_sent = st.form_submit_button("Set budget", icon=":material/savings:")
    st.caption(f"The same as a command: `{budget_command(name, budget)}`")
    if is_sent:
        sampler.set_budget(name, budget or Budget())
        _redraw()


def budget_command(name: str, budget: Budget | None) -> str:
    """Return the command that sets a budget, or removes it if there is none."""
    if budget is None:
        return f"euguess dataset budget {name} --unlimited"
    options = "" if budget.images is None else f" --images {budget.images}"
    options += "" if budget.dollars is None else f" --dollars {budget.dollars:g}"
    return f"euguess dataset budget {name}{options}"


def _redraw() -> None:
    read_statuses.clear()
    st.rerun()
