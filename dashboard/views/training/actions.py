"""Stop runs in progress, and resume those that were stopped, failed or lost."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import show_errors
from dashboard.sources.collections import read_queues
from dashboard.sources.rejected_runs import read_rejected_runs
from dashboard.sources.runs import read_recipe, read_trainings
from dashboard.text import plain
from dashboard.views.training.names import name_with_status
from euguess.clock import utc_now
from euguess.errors import ServiceUnavailable
from euguess.messages.training import TrainRun
from euguess.training.runs import TrainingRun

RESUMED = "training-resumed"  # session state: when a resume was requested, by run id
RESUME_HELP = (
    "Continues after the last finished epoch, as the same run. If the trainer has no checkpoint "
    "of it, training starts over as a new run."
)
QUEUED = "queued. It resumes as soon as a trainer is free."
RESTARTED = "the trainer had no checkpoint of it. Training started over as a new run."
STOPPING = (
    "stopping after the current epoch, which is kept. In its last epoch, it finishes instead."
)


def run_actions(runs: Sequence[TrainingRun], connections: Connections) -> None:
    """Draw a row with a button for each run that can be stopped or resumed."""
    for run in runs:
        with show_errors():
            if run.is_lost(utc_now()):
                _lost(run)
                _resume(run, connections)
            elif run.is_running:
                _stop(run, connections)
            elif run.is_resumable:
                _resume(run, connections)


def is_resume_pending(runs: Sequence[TrainingRun]) -> bool:
    """Return True if this session has requested to resume one of the runs."""
    return any(
        (run.is_resumable or run.is_lost(utc_now())) and run.run_id in _resumed() for run in runs
    )


def _lost(run: TrainingRun) -> None:
    st.warning(
        f"{plain(name_with_status(run))}: no heartbeat since {run.alive_at:%d %b %H:%M} UTC. Its "
        "process has died or cannot reach MLflow. If the run was queued, the next free trainer "
        "resumes it within minutes.",
        icon=":material/signal_disconnected:",
    )


def _stop(run: TrainingRun, connections: Connections) -> None:
    _resumed().pop(run.run_id, None)
    is_pressed = not run.is_stopping and _row(run, "Stop", ":material/stop:", None)
    if is_pressed:
        connections.registry.ask_stop(run.run_id)
        read_trainings.clear()
    if is_pressed or run.is_stopping:
        st.info(f"{plain(name_with_status(run))}: {STOPPING}", icon=":material/stop_circle:")


def _resume(run: TrainingRun, connections: Connections) -> None:
    if not _is_pending(run, connections):
        if not _row(run, "Resume", ":material/resume:", RESUME_HELP):
            return
        _publish(run, connections)
    message = RESTARTED if _is_restarted(run, connections) else QUEUED
    st.info(f"{plain(name_with_status(run))}: {message}", icon=":material/schedule_send:")


def _row(run: TrainingRun, label: str, icon: str, tip: str | None) -> bool:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(name_with_status(run)))
        key = f"{label}-{run.run_id}".lower()
        return st.button(label, icon=icon, help=tip, key=key, width="content")


def _publish(run: TrainingRun, connections: Connections) -> None:
    recipe = read_recipe(connections.registry, run.run_id)
    request = TrainRun(dataset=run.dataset, recipe=recipe, promote=run.promotes, resumes=run.run_id)
    connections.registry.clear_stop_request(run.run_id)
    _resumed()[run.run_id] = utc_now()
    try:
        connections.sampler.train(request)
    except BaseException:
        del _resumed()[run.run_id]
        raise
    read_queues.clear()


def _is_pending(run: TrainingRun, connections: Connections) -> bool:
    """Return True if this session queued the run and the trainer has not rejected it since."""
    requested_at = _resumed().get(run.run_id)
    if requested_at is None:
        return False
    try:
        rejected = read_rejected_runs(connections.sampler)
    except ServiceUnavailable:
        return True
    is_rejected = any(one.at > requested_at for one in rejected)
    if is_rejected:
        del _resumed()[run.run_id]
    return not is_rejected


def _is_restarted(run: TrainingRun, connections: Connections) -> bool:
    """Return True if a new run with the same settings started after the request."""
    requested_at = _resumed()[run.run_id]
    started = (one for one in read_trainings(connections.registry) if one.started_at > requested_at)
    return any((one.dataset, one.settings) == (run.dataset, run.settings) for one in started)


def _resumed() -> dict[str, datetime]:
    requested: dict[str, datetime] = st.session_state.setdefault(RESUMED, {})
    return requested
