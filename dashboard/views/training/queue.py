"""Trainings that wait and those that were refused; new runs are noticed here."""

from collections.abc import Sequence

import streamlit as st

from dashboard.connections import Connections
from dashboard.sources.collections import read_queues
from dashboard.sources.rejected_runs import rejected_runs
from dashboard.sources.runs import read_trainings
from dashboard.text import plain
from dashboard.views.training.start import ORDERED_AT
from euguess.clients import SamplerClient
from euguess.errors import ServiceUnavailable
from euguess.messages.queues import Queue
from euguess.training.runs import TrainingRun

REFRESH_SECONDS = 3.0
MOST_SHOWN = 5


def queue_section(connections: Connections, runs: Sequence[TrainingRun]) -> None:
    """Drawn again every few seconds; the whole page is when another run has begun."""

    @st.fragment(run_every=REFRESH_SECONDS)
    def draw() -> None:
        try:
            _waiting(connections.sampler)
            _refused(connections.sampler)
            if _is_outdated(connections, runs):
                st.rerun()
        except ServiceUnavailable:
            return  # said where a run is started, and where runs are chosen

    draw()


def _waiting(sampler: SamplerClient) -> None:
    count = read_queues(sampler).messages.get(Queue.TRAIN, 0)
    if count:
        said = "1 training waits" if count == 1 else f"{count} trainings wait"
        st.info(f"{said} in the queue of the trainer.", icon=":material/hourglass_top:")


def _refused(sampler: SamplerClient) -> None:
    found = rejected_runs(sampler)
    if not found:
        return
    ordered_at = st.session_state.get(ORDERED_AT)
    is_news = ordered_at is not None and found[0].at > ordered_at
    title = f"Trainings that were given up ({len(found)})"
    with st.expander(title, expanded=is_news, icon=":material/block:"):
        for refusal in found[:MOST_SHOWN]:
            when = f"{refusal.at:%d %b %H:%M:%S}"
            st.markdown(f"**{plain(refusal.wanted)}**, {when}: {plain(refusal.reason)}")


def _is_outdated(connections: Connections, runs: Sequence[TrainingRun]) -> bool:
    known = {run.run_id for run in runs}
    return any(run.run_id not in known for run in read_trainings(connections.registry))
