"""Markdown sections of the report of `euguess paper`."""

from collections.abc import Iterator

from euguess.messages.records import Interval
from euguess.promotion.verdict import points
from euguess.training.report import MAY_LEAK, Report
from euguess.training.study_facts import BEST, REMOVED, WITHIN_750_KM, StudyRun, StudyTable
from services.trainer.models.paired import paired_accuracy_difference, unpaired_difference
from services.trainer.paper.run import Paper, RecipeResult
from services.trainer.reports.markdown import bullets, escaped, markdown_table
from services.trainer.reports.tables import percent

ABSENT = "-"
TOP1 = "top1_accuracy"
LEAKY, CLEAN = "**leaky**", "new places"
PAIRED, UNPAIRED = "same photos, paired", "other photos, not paired"


def study_table(table: StudyTable, paper: Paper) -> str:
    """Return one table of the study with our figures beside its own."""
    header = [
        "run",
        "study",
        "ours, averaged as in the study",
        "ours, one view",
        "all views",
        "test set",
    ]
    header += ["study, later places", "ours, renewal"] if paper.request.renewal else []
    rows = [_study_row(run, paper) for run in table.runs]
    parts = [f"## Table {table.number}: {table.title}", markdown_table(header, rows)]
    if table.number == 2:
        parts.append(_others())
    return "\n\n".join(parts)


def removed_faults(paper: Paper) -> str:
    """Return the section on accuracy after removing one fault of the best run."""
    base = paper.finding(BEST)
    header = ["fault removed", "one view", "difference, points", "compared on", "test set"]
    header += ["renewal"] if paper.request.renewal else []
    rows = [["none", *_removed_cells(base, None, paper)]]
    for stem, fault in REMOVED.items():
        rows.append([fault, *_removed_cells(paper.finding(stem), base, paper)])
    return "\n\n".join(
        (
            "## Effect of each fault",
            "Each row removes one fault from the best run (GoogLeNet of Table 2); the last row "
            "removes all of them. A difference is paired where both runs were tested on the same "
            "photos. Otherwise the two intervals are combined as if the photos were independent. "
            "A positive difference means that the network improved. A negative one on other photos "
            "can also mean that the earlier accuracy was inflated.",
            markdown_table(header, rows),
        )
    )


def difference(finding: RecipeResult, base: RecipeResult) -> tuple[Interval, bool]:
    """Return single-view top-1 accuracy minus the base's, and whether it is paired."""
    if finding.answers is not None and base.answers is not None:
        paired = paired_accuracy_difference(finding.answers, base.answers)
        if paired is not None:
            return paired, True
    return unpaired_difference(finding.report.metrics[TOP1], base.report.metrics[TOP1]), False


def provenance(paper: Paper) -> str:
    """Return the table of the run, machine and code behind each figure."""
    header = ["recipe", "network", "epochs", "duration", "device", "revision", "run"]
    rows = [
        [
            result.experiment.stem,
            result.experiment.recipe.network,
            str(len(result.finding.history.train_loss)),
            duration(result.finding.history.seconds),
            result.finding.history.device,
            _short_revision(result.finding.history.git_revision),
            str(result.finding.report.run_id)[:8],
        ]
        for result in paper.results
        if result.finding
    ]
    return f"## Provenance\n\n{markdown_table(header, rows)}"


def caveats(paper: Paper) -> str:
    """Return what limits the figures of each test, by the tests that share it, or no text."""
    found: dict[str, list[str]] = {}
    for result in paper.results:
        if result.finding:
            for name, report in _tests(result.experiment.stem, result.finding):
                for caveat in report.caveats:
                    found.setdefault(caveat, []).append(name)
    if not found:
        return ""
    lines = (f"{escaped(text)} ({escaped(', '.join(names))})" for text, names in found.items())
    return f"## Limits of these figures\n\n{bullets(lines)}"


def missing(paper: Paper) -> str:
    """Return the list of failed experiments with reasons, or an empty text."""
    lines = [f"- {r.experiment.stem}: {r.missing}" for r in paper.results if r.missing]
    return "\n".join(("## Missing experiments", "", *lines)) if lines else ""


def share(value: float | None) -> str:
    """Format a share without an interval."""
    return ABSENT if value is None else f"{100 * value:.1f} %"


def duration(seconds: float) -> str:
    """Format a duration as 2 h 05 min, 3 min 20 s or 8.4 s."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s"


def _tests(stem: str, finding: RecipeResult) -> Iterator[tuple[str, Report]]:
    yield stem, finding.report
    if finding.renewal is not None:
        yield f"{stem} on renewal", finding.renewal


def _study_row(run: StudyRun, paper: Paper) -> list[str]:
    finding = paper.finding(run.recipe)
    cells = [run.title, share(run.accuracy)]
    if finding is None:
        cells += [ABSENT] * 4
    else:
        report = finding.report
        accuracies = [report.metrics[TOP1], report.fused[-1].metrics[TOP1]]
        cells += [share(report.mean_of_batches), *map(percent, accuracies), test_part(report)]
    if paper.request.renewal:
        cells += [share(run.renewal), _renewal(finding)]
    return cells


def _removed_cells(
    finding: RecipeResult | None, base: RecipeResult | None, paper: Paper
) -> list[str]:
    if finding is None:
        return [ABSENT] * (5 if paper.request.renewal else 4)
    change, how = ABSENT, ABSENT
    if base is not None:
        interval, is_paired = difference(finding, base)
        change, how = points(interval), PAIRED if is_paired else UNPAIRED
    cells = [percent(finding.report.metrics[TOP1]), change, how, test_part(finding.report)]
    return [*cells, _renewal(finding)] if paper.request.renewal else cells


def _renewal(finding: RecipeResult | None) -> str:
    if finding is None or finding.renewal is None:
        return ABSENT
    return percent(finding.renewal.metrics[TOP1])


def test_part(report: Report) -> str:
    """Say whether a test is leaky, and how many places it has."""
    if report.leaks:
        mark = f"{LEAKY}, {_leaked(report):.0%} of photos"
    else:
        mark = MAY_LEAK if report.may_leak else CLEAN
    return f"{mark}, {report.parts['test'].locations} places"


def _leaked(report: Report) -> float:
    return max(report.leaks.values()) / report.parts["test"].images


def _others() -> str:
    named = "; ".join(f"{name} {share(value)}" for name, value in WITHIN_750_KM.items())
    return (
        f"The study's Table 2 also lists {named}. Those are shares of photos from the whole world "
        "that were located within 750 km. They cannot be compared with shares of correct countries."
    )


def _short_revision(revision: str) -> str:
    commit, _, mark = revision.partition("-")
    return commit[:10] + (f"-{mark}" if mark else "")
