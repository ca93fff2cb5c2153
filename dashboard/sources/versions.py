"""The model registry: versions with their cards and reports, the champion, the audit log."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import streamlit as st

from dashboard.store import Store
from euguess.clients import RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews
from euguess.promotion.audit import AuditEntry, read_log
from euguess.promotion.versions import RegisteredVersion

KEPT_SECONDS = 5.0
FILES_KEPT_SECONDS = 3600.0  # files of a run never change
MAX_VERSIONS = 50
READS_AT_ONCE = 8


@dataclass(frozen=True)
class Versions:
    """The registered versions, newest first, and the champion."""

    versions: list[RegisteredVersion]
    champion: RegisteredVersion | None


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_champion(_registry: RegistryClient) -> ModelCard | None:
    """Return the card of the champion; None before the first promotion."""
    return _registry.champion()


@st.cache_resource(ttl=FILES_KEPT_SECONDS, max_entries=4, show_spinner=False)
def read_seen(_registry: RegistryClient, version: str) -> SeenViews | None:
    """Return what the champion, whose version is given, was trained on or selected by."""
    return _registry.champion_seen()


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_versions(_registry: RegistryClient) -> Versions:
    """Return the registered versions. Raises ServiceUnavailable."""
    return Versions(_registry.versions()[:MAX_VERSIONS], _registry.champion_version())


@st.cache_resource(show_spinner=False)
def _kept_cards() -> dict[str, ModelCard]:
    return {}


def read_cards(registry: RegistryClient, run_ids: tuple[str, ...]) -> dict[str, ModelCard]:
    """Return model cards by run id, without runs whose card is missing."""
    kept = _kept_cards()
    missing = [run_id for run_id in run_ids if run_id not in kept]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        found = pool.map(lambda run_id: _card(registry, run_id), missing)
    read = {run_id: card for run_id, card in zip(missing, found, strict=True) if card}
    kept.update(read)
    return {run_id: kept[run_id] for run_id in run_ids if run_id in kept}


def _card(registry: RegistryClient, run_id: str) -> ModelCard | None:
    try:
        return registry.card(run_id)
    except ServiceUnavailable:
        return None


@st.cache_data(ttl=FILES_KEPT_SECONDS, max_entries=16, show_spinner=False)
def read_report(_registry: RegistryClient, run_id: str) -> dict[str, Any]:
    """Return report.json of a run. Raises ServiceUnavailable."""
    return _registry.report(run_id)


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_audit(_store: Store) -> list[AuditEntry]:
    """Return the audit log, oldest entry first. Raises StoreError."""
    return _store.run(read_log)
