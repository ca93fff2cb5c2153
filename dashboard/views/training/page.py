"""Training: learning curves, tests and settings of runs, and how to start and stop them."""

from collections.abc import Mapping, Sequence

import pandas as pd
import streamlit as st

from dashboard.access import ask_for_token, may_change
from dashboard.addresses import name_runs, runs_in_address
from dashboard.charts.series import MAX_RUNS
from dashboard.charts.training import accuracies_chart, curves_chart, has_outliers
from dashboard.connections import Connections
from dashboard.glossary import explain
from dashboard.notices import empty_state, show_errors
from dashboard.sources.runs import read_curves, read_run_report, read_trainings
from dashboard.text import plain
from dashboard.views.training.actions import is_resume_pending, run_actions
from dashboard.views.training.names import name_with_status, stable_name
from dashboard.views.training.queue import queue_section
from dashboard.views.training.start import KNOWN, start_section
from euguess.clients import RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.training.report import Report
from euguess.training.runs import TrainingRun

SECTIONS = ("Curves", "Test", "Settings")
REFRESH_SECONDS = 5.0
FIRST_SHOWN = 2
CHOSEN = "training-runs"
COMMANDS = "training-commands"  # expander state: the syntax highlighter is slow to load
TOP1 = "top1_accuracy"
LOG_HELP = "On by itself if one value is far above the others and would flatten their curves."


def render(connections: Connections) -> None:
    """Draw the page; while a selected run is in progress, it refreshes every few seconds."""
    st.title("Training")
    ask_for_token(connections.policy, "start, stop and resume runs")
    runs = _runs(connections.registry)
    if may_change(connections.policy):
        start_section(connections, runs or [])
    queue_section(connections, runs or [])
    if runs == []:
        command = "euguess train demo --recipe experiments/demo.toml"
        empty_state("No training runs yet. Start one above or on the command line:", command)
    chosen = _choice(runs) if runs else []
    if chosen:
        _refreshed(_section(), chosen, connections)
        _commands(chosen[0])


def _runs(registry: RegistryClient) -> list[TrainingRun] | None:
    """Return all runs, or show an error and return None if MLflow is down."""
    with show_errors():
        return read_trainings(registry)
    return None


def _choice(runs: Sequence[TrainingRun]) -> list[TrainingRun]:
    by_id = {run.run_id: run for run in runs}
    first = (
        runs_in_address(by_id)
        or [run.run_id for run in runs if run.is_running]
        or list(by_id)[:FIRST_SHOWN]
    )
    st.session_state.setdefault(CHOSEN, first[:MAX_RUNS])
    _select_started(runs)
    chosen = st.multiselect(
        "Runs",
        list(by_id),
        key=CHOSEN,
        max_selections=MAX_RUNS,
        format_func=lambda run_id: stable_name(by_id[run_id]),
        placeholder="Select runs to compare",
    )
    name_runs(chosen)
    return [by_id[run_id] for run_id in chosen]


def _select_started(runs: Sequence[TrainingRun]) -> None:
    """Select a run that was started on this page as soon as it appears."""
    known, chosen = st.session_state.get(KNOWN), st.session_state.get(CHOSEN, [])
    started = [] if known is None else [run.run_id for run in runs if run.run_id not in known]
    if started:
        del st.session_state[KNOWN]
        st.session_state[CHOSEN] = [*started, *chosen][:MAX_RUNS]


def _section() -> str:
    chosen: str | None = st.segmented_control(
        "Section",
        SECTIONS,
        default=SECTIONS[0],
        key="training-section",
        label_visibility="collapsed",
        bind="query-params",
    )
    return chosen or SECTIONS[0]


def _refreshed(section: str, runs: Sequence[TrainingRun], connections: Connections) -> None:
    is_live = any(run.is_running for run in runs) or is_resume_pending(runs)

    @st.fragment(run_every=REFRESH_SECONDS if is_live else None)
    def draw() -> None:
        with show_errors():
            present = {run.run_id: run for run in read_trainings(connections.registry)}
            shown = [present.get(run.run_id, run) for run in runs]
            if may_change(connections.policy):
                run_actions(shown, connections)
            if is_live != (any(run.is_running for run in shown) or is_resume_pending(shown)):
                st.rerun()  # with the timer, or without it
            _draw(section, shown, connections.registry)

    draw()


def _draw(section: str, runs: Sequence[TrainingRun], registry: RegistryClient) -> None:
    match section:
        case "Test":
            _tested(runs, registry)
        case "Settings":
            _settings(runs)
        case _:
            _curves(runs, registry)


def _curves(runs: Sequence[TrainingRun], registry: RegistryClient) -> None:
    found = read_curves(registry, runs)
    curves = {name_with_status(run): found[run.run_id] for run in runs if len(found[run.run_id])}
    if not curves:
        _no_curves(runs)
        return
    _progress(runs, found)
    st.subheader("Accuracy: the study's Figure 6")
    st.altair_chart(curves_chart(curves, "accuracy", "Accuracy over photos (%)"))
    st.subheader("Log loss: the study's Figure 7")
    is_log = st.toggle(
        "Log scale", value=has_outliers(curves, "loss"), key="training-log", help=LOG_HELP
    )
    st.altair_chart(curves_chart(curves, "loss", "Mean log loss (nats)", is_log=is_log))
    st.caption(
        "Solid: training photos, as in the study. Dashed: validation photos, which are not "
        "trained on (with a split by image, other photos of the same places are)."
    )


def _no_curves(runs: Sequence[TrainingRun]) -> None:
    if all(run.is_head for run in runs):
        st.info("A head on frozen features has no epochs; see Test.", icon=":material/bolt:")
    else:
        st.info("No finished epochs yet.", icon=":material/hourglass_top:")


def _progress(runs: Sequence[TrainingRun], curves: Mapping[str, pd.DataFrame]) -> None:
    for run in runs:
        planned = int(run.settings.get("epochs", 0))
        if run.is_running and planned:
            done = len(curves[run.run_id])
            share = min(1.0, done / planned)
            st.progress(share, f"{plain(name_with_status(run))}: epoch {done} of {planned}")


def _tested(runs: Sequence[TrainingRun], registry: RegistryClient) -> None:
    pairs = [(run, _report(run, registry)) for run in runs]
    reports = {_tested_name(run, report): report for run, report in pairs if report is not None}
    if not reports:
        st.info("No test results for these runs yet.", icon=":material/hourglass_top:")
        return
    st.subheader("Test accuracy: the study's Figure 8", help=explain("honest", "leaky"))
    chance = next(iter(reports.values())).baselines.chance
    accuracies = {name: report.metrics[TOP1] for name, report in reports.items()}
    st.altair_chart(accuracies_chart(accuracies, chance))
    st.caption("Single photos, with 95% intervals over places.")


def _tested_name(run: TrainingRun, report: Report) -> str:
    return f"{name_with_status(run)}{' (leaky test)' if report.leaks else ''}"


def _report(run: TrainingRun, registry: RegistryClient) -> Report | None:
    if not run.is_finished:
        return None
    try:
        return read_run_report(registry, run.run_id)
    except ServiceUnavailable:  # the run was not tested, or its files are missing
        return None


def _settings(runs: Sequence[TrainingRun]) -> None:
    frame = settings_frame(runs)
    differing = frame.nunique(axis=1) > 1
    st.subheader("Settings")
    if len(runs) > 1 and differing.any():
        st.markdown(f"**{differing.sum()} of {len(frame)} settings differ**")
        st.dataframe(frame[differing])
    with st.expander("All settings", expanded=len(runs) == 1):
        st.dataframe(frame)


def settings_frame(runs: Sequence[TrainingRun]) -> pd.DataFrame:
    """Return a row per recipe setting and a column per run; missing settings are empty."""
    columns = {name_with_status(run): pd.Series(dict(run.settings), dtype=object) for run in runs}
    return pd.DataFrame(columns).fillna("").sort_index().rename_axis("Setting")


def _commands(run: TrainingRun) -> None:
    """Show the commands that start, stop and resume the first selected run."""
    train = f"euguess train {run.dataset} --recipe RECIPE.toml --set optimizer.learning_rate=0.001"
    section = st.expander(
        "Command line", icon=":material/terminal:", key=COMMANDS, on_change="rerun"
    )
    if not section.open:
        return
    with section:
        st.markdown("**Start** a run, overriding any recipe setting:")
        st.code(train, language="bash", wrap_lines=True)
        st.markdown("**Stop** it with Ctrl-C. The run keeps its last finished epoch.")
        st.markdown(
            "**Resume** it with the same recipe and overrides; different ones start a new run:"
        )
        st.code(f"{train} --resume", language="bash", wrap_lines=True)
