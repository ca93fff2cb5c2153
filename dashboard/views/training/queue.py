"""Queued and rejected training requests. Detects new runs."""

from collections.abc import Sequence

import streamlit as st

from dashboard.connections import Connections
from dashboard.sources.collections import read_queues
from dashboard.sources.rejected_runs import read_rejected_runs
from dashboard.sources.runs import read_trainings
from dashboard.text import counted, plain
from dashboard.views.training.start import REQUESTED_AT
from euguess.clients import SamplerClient
from euguess.errors import ServiceUnavailable
from euguess.messages.queues import Queue
from euguess.training.runs import TrainingRun

REFRESH_SECONDS = 3.0
MAX_SHOWN = 5


def queue_section(connections: Connections, runs: Sequence[TrainingRun]) -> None:
    """Refresh every few seconds, and redraw the whole page when a new run has started."""

    @st.fragment(run_every=REFRESH_SECONDS)
    def draw() -> None:
        try:
            _queued(connections.sampler)
            _rejected(connections.sampler)
            if _is_outdated(connections, runs):
                st.rerun()
        except ServiceUnavailable:
            return  # the start and run sections show the error

    draw()


def _queued(sampler: SamplerClient) -> None:
    count = read_queues(sampler).messages.get(Queue.TRAIN, 0)
    if count:
        st.info(f"{counted(count, 'training run')} queued.", icon=":material/hourglass_top:")


def _rejected(sampler: SamplerClient) -> None:
    found = read_rejected_runs(sampler)
    if not found:
        return
    requested_at = st.session_state.get(REQUESTED_AT)
    is_new = requested_at is not None and found[0].at > requested_at
    title = f"Rejected training requests ({len(found)})"
    with st.expander(title, expanded=is_new, icon=":material/block:"):
        for run in found[:MAX_SHOWN]:
            when = f"{run.at:%d %b %H:%M:%S}"
            st.markdown(f"**{plain(run.requested)}**, {when}: {plain(run.reason)}")


def _is_outdated(connections: Connections, runs: Sequence[TrainingRun]) -> bool:
    known = {run.run_id for run in runs}
    return any(run.run_id not in known for run in read_trainings(connections.registry))
