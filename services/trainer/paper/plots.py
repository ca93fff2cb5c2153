"""Plots of the report: the study's figures 6 to 8, drawn from our runs."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from euguess.messages.records import Interval
from euguess.training.study_facts import BEST, FIGURE_RUNS, REMOVED, TABLES
from services.trainer.paper.run import Paper, RecipeResult
from services.trainer.paper.tables import PAIRED, TOP1, UNPAIRED, difference
from services.trainer.reports.palette import BLUE, GREY, GRID, ORANGE, SERIES, VERMILLION

MARKERS = ("o", "s", "^", "D", "v")
STAR: dict[str, Any] = {"color": "black", "markeredgecolor": "white", "markersize": 13}
SIZE_INCHES = (7.0, 3.9)
DOTS_PER_INCH = 160

Draw = Callable[[Axes], None]


def draw_plots(paper: Paper, folder: Path) -> dict[str, str]:
    """Write the plots that have data; return captions by file name."""
    runs = {
        name: finding
        for stem, name in FIGURE_RUNS.items()
        if (finding := paper.finding(stem)) is not None
    }
    drawn: dict[str, str] = {}
    if runs:
        drawn |= _draw_networks(runs, folder)
    base = paper.finding(BEST)
    fixed = {fault: paper.finding(stem) for stem, fault in REMOVED.items()}
    changes = {fault: finding for fault, finding in fixed.items() if finding is not None}
    if base is not None and changes:
        _save(folder / "faults.png", lambda axes: _changes(axes, changes, base))
        drawn["faults.png"] = "Change of accuracy when each fault is removed, with 95 % intervals"
    return drawn


def _draw_networks(runs: dict[str, RecipeResult], folder: Path) -> dict[str, str]:
    plots: dict[str, tuple[Draw, str]] = {
        "figure-6.png": (
            lambda axes: _curves(axes, runs, "train_accuracy"),
            "Figure 6: training accuracy",
        ),
        "figure-7.png": (
            lambda axes: _curves(axes, runs, "train_loss"),
            "Figure 7: training log loss",
        ),
        "figure-8.png": (
            lambda axes: _bars(axes, runs),
            "Figure 8: test accuracy of one view, with 95 % intervals over places",
        ),
        "averages.png": (
            lambda axes: _averages(axes, runs),
            "Test accuracy as the study averaged it, beside the correct average",
        ),
    }
    for name, (draw, _) in plots.items():
        _save(folder / name, draw)
    return {name: caption for name, (_, caption) in plots.items()}


def _save(path: Path, draw: Draw) -> None:
    figure = Figure(figsize=SIZE_INCHES, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    draw(axes)
    # Above the axes, where it covers no data.
    figure.legend(loc="outside upper left", ncols=5, columnspacing=1.2, frameon=False)
    figure.savefig(path, dpi=DOTS_PER_INCH)


def _curves(axes: Axes, runs: dict[str, RecipeResult], name: str) -> None:
    for (label, finding), colour, marker in zip(runs.items(), SERIES, MARKERS, strict=False):
        values = getattr(finding.history, name)
        epochs = range(1, len(values) + 1)
        axes.plot(epochs, values, color=colour, marker=marker, markersize=4, label=label)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if name == "train_accuracy":
        _share_axis(axes, "training accuracy")
        axes.set_ylim(bottom=0)
    else:
        axes.set_ylabel("training log loss (nats)")


def _bars(axes: Axes, runs: dict[str, RecipeResult]) -> None:
    measured = [finding.report.metrics[TOP1] for finding in runs.values()]
    later = [f.renewal.metrics[TOP1] for f in runs.values() if f.renewal is not None]
    has_renewal = len(later) == len(runs)
    width = 0.38 if has_renewal else 0.55
    offset = width / 2 if has_renewal else 0.0
    _bar(axes, measured, -offset, width, BLUE, _test_label(runs))
    if has_renewal:
        _bar(axes, later, offset, width, ORANGE, "renewal")
    reported = {run.recipe: run.accuracy for table in TABLES for run in table.runs}
    known = {name: reported[stem] for stem, name in FIGURE_RUNS.items() if stem in reported}
    marks = [(at - offset, known[name]) for at, name in enumerate(runs) if name in known]
    if marks:
        axes.plot(*zip(*marks, strict=True), "*", label="the study's figure", **STAR)
    _finish_bars(axes, runs)


def _test_label(runs: dict[str, RecipeResult]) -> str:
    is_leaky = any(finding.report.leaks for finding in runs.values())
    return "test set, leaky" if is_leaky else "test set"


def _averages(axes: Axes, runs: dict[str, RecipeResult]) -> None:
    width = 0.38
    right = [finding.report.metrics[TOP1] for finding in runs.values()]
    _bar(axes, right, -width / 2, width, BLUE, "share of correct test images")
    known = [(at, f.report.mean_of_batches) for at, f in enumerate(runs.values())]
    wrong = [(at, value) for at, value in known if value is not None]
    places = [at + width / 2 for at, _ in wrong]
    heights = [value for _, value in wrong]
    axes.bar(places, heights, width, color=VERMILLION, label="as the study averaged it")
    _finish_bars(axes, runs)


def _bar(
    axes: Axes, measured: Sequence[Interval], offset: float, width: float, colour: str, label: str
) -> None:
    places = [at + offset for at in range(len(measured))]
    values = [one.value for one in measured]
    errors = [[one.value - one.low for one in measured], [one.high - one.value for one in measured]]
    axes.bar(places, values, width, color=colour, label=label)
    axes.errorbar(places, values, errors, fmt="none", ecolor="#222222", capsize=3)


def _finish_bars(axes: Axes, runs: dict[str, RecipeResult]) -> None:
    chance = next(iter(runs.values())).report.baselines.chance
    axes.axhline(chance, color=GREY, linestyle="--", linewidth=1, label="chance")
    axes.set_xticks(range(len(runs)), list(runs))
    axes.set_ylim(bottom=0)
    _share_axis(axes, "test accuracy")


def _changes(axes: Axes, changes: dict[str, RecipeResult], base: RecipeResult) -> None:
    """Draw one line per removed fault: filled markers if paired, hollow if not."""
    shown: set[str] = set()
    for at, finding in enumerate(changes.values()):
        interval, is_paired = difference(finding, base)
        value, low, high = (100 * part for part in (interval.value, interval.low, interval.high))
        colour, label = (BLUE, PAIRED) if is_paired else (VERMILLION, UNPAIRED)
        axes.errorbar(
            value,
            at,
            xerr=[[value - low], [high - value]],
            fmt="o",
            color=colour,
            markerfacecolor=colour if is_paired else "white",
            capsize=3,
            label=None if label in shown else label,
        )
        shown.add(label)
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(range(len(changes)), list(changes))
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xlabel("change of test accuracy (percentage points)")


def _share_axis(axes: Axes, label: str) -> None:
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylabel(label)
