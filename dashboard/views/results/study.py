"""The study's figures beside ours, and leaky beside honest tests."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import streamlit as st

from dashboard.charts.figures import (
    ALL,
    HONEST_TEST,
    HONESTY_STYLES,
    LEAKY,
    LEAKY_TEST,
    ONE,
    STUDY,
    STUDY_STYLES,
    UNSURE,
    UNSURE_TEST,
    Figure,
    figures_chart,
)
from dashboard.notices import empty_state, hint
from dashboard.sources.runs import read_run_reports
from dashboard.text import percent
from euguess.clients import RegistryClient
from euguess.messages.records import Interval
from euguess.training.report import Places, Report
from euguess.training.runs import FinishedRun
from euguess.training.study_facts import CHANCE, TABLES, WITHIN_750_KM, StudyRun, StudyTable

TOP1, NEAR = "top1_accuracy", "accuracy_within_750_km"
THIS_RUN = "This run"
ALL_FIXED = StudyRun("fixed/all", "GoogLeNet, all faults removed", 0)


def study(
    run: FinishedRun, report: Report, runs: Sequence[FinishedRun], registry: RegistryClient
) -> None:
    """Draw Table 2 of the study beside our runs."""
    table = TABLES[0]
    st.subheader(f"The study's Table {table.number}: {table.title}")
    found = reproduced(run, (*table.runs, ALL_FIXED), runs, registry)
    draw_table(table, found, run.dataset, this=report, fixed=found.get(ALL_FIXED.recipe))
    _within_750_km(report)


def draw_table(
    table: StudyTable,
    found: Mapping[str, Report],
    dataset: str,
    *,
    this: Report | None = None,
    fixed: Report | None = None,
) -> None:
    """Draw a table of the study as chart and table, and the command for missing runs."""
    ours = [(one.title, one, found.get(one.recipe)) for one in table.runs]
    extra = [(ALL_FIXED.title, None, fixed), (THIS_RUN, None, this)]
    rows = [*ours, *((title, one, report) for title, one, report in extra if report)]
    figures = [figure for row in rows for figure in _figures(*row)]
    st.altair_chart(figures_chart(figures, STUDY_STYLES, CHANCE, "Run"))
    st.dataframe([_row(*row) for row in rows], hide_index=True)
    missing = [one.title for one in table.runs if one.recipe not in found]
    if missing:
        command = f"euguess paper {dataset} --only 'study/table{table.number}-*'"
        hint(f"Not reproduced on this dataset yet: {', '.join(missing)}. Train them:", command)


def reproduced(
    run: FinishedRun,
    study_runs: Iterable[StudyRun],
    runs: Sequence[FinishedRun],
    registry: RegistryClient,
) -> dict[str, Report]:
    """Return the newest report of each of the study's recipes on the same dataset, by file."""
    newest: dict[str, FinishedRun] = {}
    for other in (other for other in runs if other.dataset == run.dataset):
        newest.setdefault(other.recipe, other)
    files = {one.recipe: newest.get(one.recipe.replace("/", "-")) for one in study_runs}
    known = {file: one for file, one in files.items() if one is not None}
    reports = read_run_reports(registry, known.values())
    return {file: reports[one.run_id] for file, one in known.items() if one.run_id in reports}


def _figures(title: str, one: StudyRun | None, report: Report | None) -> Iterator[Figure]:
    if one is not None:
        yield Figure(title, STUDY, _exact(one.accuracy))
    if report is not None:
        yield Figure(title, _kind(report, LEAKY, UNSURE, ONE), report.metrics[TOP1])
        if not report.leaks and report.places is not Places.UNKNOWN:
            yield Figure(title, ALL, report.fused[-1].metrics[TOP1])


def _kind(report: Report, leaky: str, unsure: str, honest: str) -> str:
    if report.leaks:
        return leaky
    return unsure if report.places is Places.UNKNOWN else honest


def _row(title: str, one: StudyRun | None, report: Report | None) -> dict[str, str]:
    row = {"Run": title, "Study": f"{one.accuracy:.1%}" if one else ""}
    ours = dict.fromkeys(("Ours, batch average", "Ours, one view", "Ours, all views", "Test"), "")
    if report is not None:
        ours["Ours, batch average"] = _share(report.mean_of_batches)
        ours["Ours, one view"] = percent(report.metrics[TOP1])
        ours["Ours, all views"] = percent(report.fused[-1].metrics[TOP1])
        ours["Test"] = test_part(report)
    return row | ours


def test_part(report: Report) -> str:
    """Describe the test set."""
    if not report.leaks:
        what = "photos, places unknown" if report.places is Places.UNKNOWN else "new places"
        return f"{report.parts['test'].locations:,} {what}"
    leaking = max(report.leaks.values()) / report.parts["test"].images
    return f"leaky: {leaking:.0%} of photos"


def _within_750_km(report: Report) -> None:
    with st.expander("Within 750 km: Im2GPS and PlaNet", icon=":material/social_distance:"):
        named = [{"Model": name, "Photos": _share(share)} for name, share in WITHIN_750_KM.items()]
        if NEAR in report.metrics:
            named.append({"Model": THIS_RUN, "Photos": percent(report.metrics[NEAR])})
        st.dataframe(named, hide_index=True)
        st.caption(
            "The study's Table 2 also lists these: shares of photos worldwide that are located "
            "within 750 km. Ours are for Europe, measured to the centre of the predicted country, "
            "so the figures are not comparable."
        )


def honesty(run: FinishedRun, runs: Sequence[FinishedRun], registry: RegistryClient) -> None:
    """Draw each recipe that was tested with both splits on the dataset, the run's own first."""
    st.subheader("The same recipes tested by image and by place")
    pairs = tested_with_both_splits(run, runs, registry)
    if not pairs:
        command = f"euguess compare {run.dataset} --recipe FILE.toml"
        empty_state(
            "No recipe has been tested with both splits on this dataset yet. Test one:", command
        )
        return
    figures = [
        Figure(recipe, _kind(report, LEAKY_TEST, UNSURE_TEST, HONEST_TEST), report.metrics[TOP1])
        for recipe, both in pairs.items()
        for report in both
    ]
    chance = next(report.baselines.chance for both in pairs.values() for report in both)
    st.altair_chart(figures_chart(figures, HONESTY_STYLES, chance, "Recipe"))
    st.dataframe([_pair(recipe, *both) for recipe, both in pairs.items()], hide_index=True)
    st.caption(
        "Single photos, with 95% intervals. A leaky test contains places that were also trained "
        "on. The two tests use different photos, so their difference is not paired."
    )


def tested_with_both_splits(
    run: FinishedRun, runs: Sequence[FinishedRun], registry: RegistryClient
) -> dict[str, tuple[Report, Report]]:
    """Return the newest leaky and honest report by recipe, for recipes that have both."""
    own = [other for other in runs if other.dataset == run.dataset]
    protocols: dict[str, set[str]] = {}
    for other in own:
        protocols.setdefault(other.recipe, set()).add(other.protocol)
    tested = [other for other in own if len(protocols[other.recipe]) > 1]
    reports = read_run_reports(registry, tested)
    by_kind: dict[str, dict[bool, Report]] = {}
    for other in sorted(tested, key=lambda other: other.recipe != run.recipe):
        if other.run_id in reports:
            report = reports[other.run_id]
            by_kind.setdefault(other.recipe, {}).setdefault(not report.leaks, report)
    return {name: (kinds[False], kinds[True]) for name, kinds in by_kind.items() if len(kinds) == 2}


def _pair(recipe: str, leaky: Report, honest: Report) -> dict[str, str]:
    gap = leaky.metrics[TOP1].value - honest.metrics[TOP1].value
    return {
        "Recipe": recipe,
        "Leaky": percent(leaky.metrics[TOP1]),
        "By place": percent(honest.metrics[TOP1]),
        "Inflation (points)": f"{100 * gap:+.1f}",
        "Leaky test": test_part(leaky),
        "Test by place": f"{test_part(honest)}, {honest.protocol} split",
    }


def _exact(share: float) -> Interval:
    return Interval(value=share, low=share, high=share)


def _share(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
