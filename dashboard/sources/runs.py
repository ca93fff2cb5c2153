"""Training runs with their curves, and the reports of finished ones."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pandas as pd
import streamlit as st

from euguess.clients import RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.training.report import Report
from euguess.training.runs import FinishedRun, TrainingRun

KEPT_SECONDS = 5.0
TRAININGS_KEPT_SECONDS = 2.0
REPORTS_KEPT_SECONDS = 3600.0  # reports never change
READS_AT_ONCE = 8
METRICS = ("train_accuracy", "val_accuracy", "train_loss", "val_loss")


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_runs(_registry: RegistryClient) -> list[FinishedRun]:
    """Return finished runs, newest first. Raises ServiceUnavailable."""
    return _registry.finished_runs()


@st.cache_data(ttl=KEPT_SECONDS, show_spinner=False)
def read_champion_run(_registry: RegistryClient) -> str | None:
    """Return the id of the champion's run."""
    champion = _registry.champion_version()
    return champion.run_id if champion else None


@st.cache_resource(ttl=REPORTS_KEPT_SECONDS, show_spinner=False)
def _kept_reports() -> dict[str, Report]:
    return {}


def read_run_report(registry: RegistryClient, run_id: str) -> Report:
    """Return the report of a run. Raises ServiceUnavailable."""
    kept = _kept_reports()
    if run_id not in kept:
        kept[run_id] = registry.run_report(run_id)
    return kept[run_id]


def read_run_reports(registry: RegistryClient, runs: Iterable[FinishedRun]) -> dict[str, Report]:
    """Return reports by run id, without runs whose report is missing."""
    kept = _kept_reports()
    run_ids = [run.run_id for run in runs]
    missing = [run_id for run_id in run_ids if run_id not in kept]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        found = pool.map(lambda run_id: _report(registry, run_id), missing)
    kept.update({i: report for i, report in zip(missing, found, strict=True) if report})
    return {run_id: kept[run_id] for run_id in run_ids if run_id in kept}


def _report(registry: RegistryClient, run_id: str) -> Report | None:
    try:
        return registry.run_report(run_id)
    except ServiceUnavailable:
        return None


@st.cache_data(ttl=TRAININGS_KEPT_SECONDS, show_spinner=False)
def read_trainings(_registry: RegistryClient) -> list[TrainingRun]:
    """Return all training runs, newest first. Raises ServiceUnavailable."""
    return _registry.training_runs()


@st.cache_data(show_spinner=False)
def read_recipe(_registry: RegistryClient, run_id: str) -> str:
    """Return the recipe (TOML) of a run. Raises ServiceUnavailable."""
    return _registry.recipe(run_id)


@st.cache_resource(show_spinner=False)
def _kept_curves() -> dict[str, pd.DataFrame]:
    return {}


def read_curves(registry: RegistryClient, runs: Sequence[TrainingRun]) -> dict[str, pd.DataFrame]:
    """Return curves by run id: a row per epoch with the columns epoch (from 1) and METRICS.

    Accuracies are shares (0..1) over single views, losses are in nats. Only curves of finished
    runs are cached, because others may still grow. Raises ServiceUnavailable.
    """
    kept = _kept_curves()
    uncached = [run for run in runs if run.run_id not in kept]
    with ThreadPoolExecutor(READS_AT_ONCE) as pool:
        pairs = list(product((run.run_id for run in uncached), METRICS))
        histories = list(pool.map(lambda pair: registry.history(*pair), pairs))
    by_pair = dict(zip(pairs, histories, strict=True))
    found = {run.run_id: _frame(run.run_id, by_pair) for run in uncached}
    kept.update({run.run_id: found[run.run_id] for run in uncached if run.is_finished})
    return {run.run_id: (found if run.run_id in found else kept)[run.run_id] for run in runs}


def _frame(run_id: str, histories: dict[tuple[str, str], dict[int, float]]) -> pd.DataFrame:
    columns = {name: pd.Series(histories[run_id, name], dtype=float) for name in METRICS}
    frame = pd.DataFrame(columns).sort_index()
    return frame.rename_axis("epoch").reset_index()
