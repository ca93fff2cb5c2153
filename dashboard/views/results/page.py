"""Results: the test of a finished run, beside other runs and the study's figures."""

from collections.abc import Mapping, Sequence

import streamlit as st

from dashboard.addresses import name_runs, runs_in_address
from dashboard.charts.series import MAX_RUNS
from dashboard.connections import Connections
from dashboard.glossary import explain
from dashboard.notices import empty_state, show_errors
from dashboard.sources.runs import (
    read_champion_run,
    read_run_report,
    read_run_reports,
    read_runs,
)
from dashboard.text import percent, plain
from dashboard.views.results.calibration import calibration
from dashboard.views.results.countries import countries
from dashboard.views.results.study import honesty, study
from dashboard.views.results.views import views
from euguess.clients import RegistryClient
from euguess.training.report import MAY_LEAK, Places, Report
from euguess.training.runs import FinishedRun

SECTIONS = ("Study", "Honesty", "Countries", "Views", "Calibration")
TOP1 = "top1_accuracy"
UNKNOWN_PLACES = (
    "Places unknown: nothing tells which photos show the same place, so this test may leak, and "
    "these figures may be too high."
)


def render(connections: Connections) -> None:
    """Draw the page; each section reads only the reports that it shows."""
    st.title("Results")
    with show_errors():
        runs = read_runs(connections.registry)
        if not runs:
            command = "euguess compare demo --recipe experiments/demo.toml"
            empty_state("No finished runs yet. Train a recipe with both kinds of split:", command)
            return
        champion = read_champion_run(connections.registry)
        run = _choice(runs, champion)
        with show_errors():
            report = read_run_report(connections.registry, run.run_id)
            _summary(report, is_champion=run.run_id == champion)
            _section(run, report, runs, connections.registry)


def _choice(runs: Sequence[FinishedRun], champion: str | None) -> FinishedRun:
    by_id = {run.run_id: run for run in runs}
    asked = [*runs_in_address(by_id), champion]
    first = next((list(by_id).index(run_id) for run_id in asked if run_id in by_id), 0)
    chosen = st.selectbox(
        "Run",
        list(by_id),
        index=first,
        key="results-run",
        format_func=lambda run_id: _name(by_id[run_id], champion),
    )
    name_runs([chosen])
    return by_id[chosen]


def _name(run: FinishedRun, champion: str | None) -> str:
    mark = "★ " if run.run_id == champion else ""
    when = f"{run.started_at:%Y-%m-%d %H:%M:%S}"
    places = f", {MAY_LEAK}" if run.places == Places.UNKNOWN else ""
    return f"{mark}{run.recipe}, {run.dataset}, {run.protocol} split{places}, {when}"


def _summary(report: Report, *, is_champion: bool) -> None:
    test, fused = report.parts["test"], report.fused[-1].metrics[TOP1]
    with st.container(horizontal=True):
        st.metric("Accuracy, one view", percent(report.metrics[TOP1]))
        st.metric("Accuracy, all views fused", percent(fused), help=explain("view", "fused"))
        st.metric("Test places", f"{test.locations:,}")
        st.metric("Chance", f"{report.baselines.chance:.1%}")
    champion = "The champion's run. " if is_champion else ""
    facts = f"{report.network} at {report.image_size} px, {report.protocol} split"
    st.caption(
        f"{champion}{plain(facts)}. In brackets: 95% confidence intervals over places.",
        help=explain("split", "honest", "leaky"),
    )
    if report.faults:
        faults = plain(", ".join(fault.replace("_", " ") for fault in report.faults))
        st.info(
            f"Faults of the study, reproduced on purpose: {faults}.", icon=":material/bug_report:"
        )
    if report.places is Places.UNKNOWN:
        st.warning(
            f"{UNKNOWN_PLACES} Import the photos with a location_id for each place.",
            icon=":material/help:",
        )
    for caveat in report.caveats:
        st.info(plain(caveat), icon=":material/info:")
    if report.leaks:
        st.warning(
            f"Leaky test, so these figures are too high: {plain('; '.join(_leaks(report)))}. "
            "See the section Honesty.",
            icon=":material/warning:",
        )


def _leaks(report: Report) -> list[str]:
    images = report.parts["test"].images
    return [
        f"{count / images:.0%} of test photos share their {kind} with training"
        for kind, count in report.leaks.items()
    ]


def _section(
    run: FinishedRun, report: Report, runs: Sequence[FinishedRun], registry: RegistryClient
) -> None:
    """Draw only the selected section, so that each is fast."""
    section = st.segmented_control(
        "Section",
        SECTIONS,
        default=SECTIONS[0],
        key="results-section",
        label_visibility="collapsed",
        bind="query-params",
    )
    with show_errors():
        match section:
            case "Honesty":
                honesty(run, runs, registry)
            case "Countries":
                countries(report)
            case "Views":
                views(_compared(run, report, runs, registry), run, runs, registry)
            case "Calibration":
                calibration(_compared(run, report, runs, registry))
            case _:
                study(run, report, runs, registry)


def _compared(
    run: FinishedRun, report: Report, runs: Sequence[FinishedRun], registry: RegistryClient
) -> Mapping[str, Report]:
    """Return the reports of the run and of those selected beside it, by name."""
    others = {other.run_id: other for other in runs if other.run_id != run.run_id}
    chosen = st.multiselect(
        "Compare with",
        list(others),
        key="results-others",
        max_selections=MAX_RUNS - 1,
        format_func=lambda run_id: _name(others[run_id], None),
        placeholder="Other runs",
    )
    found = read_run_reports(registry, [others[run_id] for run_id in chosen])
    named = {_short_name(others[run_id]): one for run_id, one in found.items()}
    return {_short_name(run): report, **named}


def _short_name(run: FinishedRun) -> str:
    """Return a name that is short enough for a legend on a phone."""
    return f"{run.recipe}, {run.protocol}, {run.started_at:%m-%d %H:%M:%S}"
