"""Finished runs and their reports."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

import streamlit as st

from euguess.clients import RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.training.report import Report
from euguess.training.runs import FinishedRun

KEPT_SECONDS = 5.0
REPORTS_KEPT_SECONDS = 3600.0  # those of a run never change
READS_AT_ONCE = 8


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_runs(_registry: RegistryClient) -> list[FinishedRun]:
    """Newest first. Raises ServiceUnavailable."""
    return _registry.finished_runs()


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_champion_run(_registry: RegistryClient) -> str | None:
    """Id of the run that made the champion."""
    champion = _registry.champion_version()
    return champion.run_id if champion else None


@st.cache_resource(ttl=REPORTS_KEPT_SECONDS, show_spinner=False)
def _kept_reports() -> dict[str, Report]:
    return {}


def read_run_report(registry: RegistryClient, run_id: str) -> Report:
    """Raises ServiceUnavailable."""
    kept = _kept_reports()
    if run_id not in kept:
        kept[run_id] = registry.run_report(run_id)
    return kept[run_id]


def read_run_reports(registry: RegistryClient, runs: Iterable[FinishedRun]) -> dict[str, Report]:
    """Reports by run id; runs whose report is gone are left out."""
    kept = _kept_reports()
    wanted = [run.run_id for run in runs]
    missing = [run_id for run_id in wanted if run_id not in kept]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        found = pool.map(lambda run_id: _report(registry, run_id), missing)
    kept.update({i: report for i, report in zip(missing, found, strict=True) if report})
    return {run_id: kept[run_id] for run_id in wanted if run_id in kept}


def _report(registry: RegistryClient, run_id: str) -> Report | None:
    try:
        return registry.run_report(run_id)
    except ServiceUnavailable:
        return None
