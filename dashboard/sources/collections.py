"""Datasets, queues and dead letters from the sampler, cached briefly for all sessions."""

import streamlit as st

from euguess.clients import SamplerClient
from euguess.messages.collection import (
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)

KEPT_SECONDS = 1.0  # each open page polls every two seconds


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_statuses(_sampler: SamplerClient) -> list[DatasetStatus]:
    """Return all datasets, largest first."""
    return sorted(_sampler.datasets(), key=lambda status: -status.total.requested)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_queues(_sampler: SamplerClient) -> QueueStatus:
    return _sampler.queues()


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_dead_letters(_sampler: SamplerClient) -> list[DeadLetter]:
    """Return dead letters, newest first."""
    return _sampler.dead_letters()
