"""The champion and what it has seen, from the registry."""

import streamlit as st

from euguess.clients import RegistryClient
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews

KEPT_SECONDS = 5.0
SEEN_KEPT_SECONDS = 3600.0  # a version's list never changes; it is read again for another version


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_champion(_registry: RegistryClient) -> ModelCard | None:
    """None before the first promotion."""
    return _registry.champion()


@st.cache_resource(ttl=SEEN_KEPT_SECONDS, max_entries=4, show_spinner=False)
def read_seen(_registry: RegistryClient, version: str) -> SeenViews | None:
    """What the champion, whose version is given, was trained on or chosen by."""
    return _registry.champion_seen()
