"""Stopping runs that go on, and resuming those that were cut short."""

from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import show_errors
from dashboard.sources.collections import read_queues
from dashboard.sources.rejected_runs import rejected_runs
from dashboard.sources.runs import read_recipe, read_trainings
from dashboard.text import plain
from dashboard.views.training.names import name_with_status
from euguess.clock import utc_now
from euguess.errors import ServiceUnavailable
from euguess.messages.training import TrainRun
from euguess.training.runs import TrainingRun

RESUMED = "training-resumed"  # when this session asked for it, by run id
RESUME_HELP = (
    "Goes on after its last finished epoch, as the same run. Where the trainer has kept no epoch "
    "of it, it starts anew as another run."
)


QUEUED = "was queued, and goes on as soon as the trainer is free."
ANEW = "the trainer had kept no epoch of it; its training has begun anew, as another run."


def run_actions(runs: Sequence[TrainingRun], connections: Connections) -> None:
    """A row for each run that can be stopped or resumed."""
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
    """Whether one of the runs is to be resumed, as far as this session knows."""
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
        said = "stops after the present epoch, which is kept; in its last epoch it finishes."
        st.info(f"{plain(name_with_status(run))}: {said}", icon=":material/stop_circle:")


def _resume(run: TrainingRun, connections: Connections) -> None:
    if not _is_waiting(run, connections):
        if not _row(run, "Resume", ":material/resume:", RESUME_HELP):
            return
        _publish(run, connections)
    said = ANEW if _is_begun_anew(run, connections) else QUEUED
    st.info(f"{plain(name_with_status(run))}: {said}", icon=":material/schedule_send:")


def _row(run: TrainingRun, label: str, icon: str, tip: str | None) -> bool:
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(plain(name_with_status(run)))
        key = f"{label}-{run.run_id}".lower()
        return st.button(label, icon=icon, help=tip, key=key, width="content")


def _publish(run: TrainingRun, connections: Connections) -> None:
    recipe = read_recipe(connections.registry, run.run_id)
    order = TrainRun(dataset=run.dataset, recipe=recipe, promote=run.promotes, resumes=run.run_id)
    connections.registry.clear_stop_request(run.run_id)
    _resumed()[run.run_id] = utc_now()
    try:
        connections.sampler.train(order)
    except BaseException:
        del _resumed()[run.run_id]
        raise
    read_queues.clear()


def _is_waiting(run: TrainingRun, connections: Connections) -> bool:
    """Whether it was queued from here, and not refused since."""
    asked_at = _resumed().get(run.run_id)
    if asked_at is None:
        return False
    try:
        is_refused = any(refusal.at > asked_at for refusal in rejected_runs(connections.sampler))
    except ServiceUnavailable:
        return True
    if is_refused:
        del _resumed()[run.run_id]
    return not is_refused


def _is_begun_anew(run: TrainingRun, connections: Connections) -> bool:
    """Whether another run with its settings began after it was asked for."""
    asked_at = _resumed()[run.run_id]
    begun = (one for one in read_trainings(connections.registry) if one.started_at > asked_at)
    return any((one.dataset, one.settings) == (run.dataset, run.settings) for one in begun)


def _resumed() -> dict[str, datetime]:
    asked: dict[str, datetime] = st.session_state.setdefault(RESUMED, {})
    return asked
