"""What the sampler knows, kept for a moment for all sessions."""

import streamlit as st

from euguess.clients import SamplerClient
from euguess.messages.collection import (
    DatasetStatus,
    DeadLetter,
    QueueStatus,
)

KEPT_SECONDS = 1.0  # a page asks every two seconds, and there may be many pages


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_statuses(_sampler: SamplerClient) -> list[DatasetStatus]:
    """All datasets, the largest first."""
    return sorted(_sampler.datasets(), key=lambda status: -status.total.requested)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_queues(_sampler: SamplerClient) -> QueueStatus:
    return _sampler.queues()


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_dead_letters(_sampler: SamplerClient) -> list[DeadLetter]:
    """The newest first."""
    return _sampler.dead_letters()
