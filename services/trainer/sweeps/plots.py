"""Plots of a sweep: its history, the importance of keys, and slices along each key.

`optuna.visualization.matplotlib` is not used: its plots leave out pruned trials, do not mark the
best one, show shares as plain numbers and cut off names.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from services.trainer.reports.palette import BLUE, GREY, VERMILLION
from services.trainer.sweeps.result import SweepResult, TrialRow

AXIS_NAMES = {"val_accuracy": "accuracy on val", "val_loss": "loss on val, nats"}
PANELS_PER_ROW = 3
DOTS_PER_INCH = 120
WIDE = 50  # ratio of losses above which a logarithmic axis is clearer


def draw_all(result: SweepResult, folder: Path) -> list[str]:
    """Write the plots and return their file names; importance only if it is known."""
    pictures = {"history.png": history(result), "slices.png": slices(result)}
    if result.importances:
        pictures["importance.png"] = importance(result)
    for name, figure in pictures.items():
        figure.savefig(folder / name, dpi=DOTS_PER_INCH)
    return list(pictures)


def history(result: SweepResult) -> Figure:
    """Plot the objective of each trial, and the best so far."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    _scatter(axes, [(row, row.number) for row in result.trials])
    numbers, best = zip(*_best_so_far(result), strict=True)
    axes.step(numbers, best, where="post", color=VERMILLION, label="best so far")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _name_values(axes, result)
    axes.legend(loc="best")
    return figure


def importance(result: SweepResult) -> Figure:
    """Plot the importance of each key, as shares that add up to 1."""
    keys = list(result.importances)[::-1]
    figure = Figure(figsize=(8, 1.2 + 0.4 * len(keys)), layout="constrained")
    axes = figure.subplots()
    bars = axes.barh(keys, [result.importances[key] for key in keys], color=BLUE)
    axes.bar_label(bars, fmt="{:.0%}", padding=4)
    axes.set_xlim(0, 1.1 * max(result.importances.values()))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_xlabel(f"importance (PED-ANOVA over {len(result.complete)} complete trials)")
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def slices(result: SweepResult) -> Figure:
    """Plot the objective along each key; the other keys vary as well."""
    keys = sorted(result.best.values, key=lambda key: -result.importances.get(key, 0))
    columns = 2 if len(keys) == 4 else min(PANELS_PER_ROW, len(keys))
    rows = -(-len(keys) // columns)
    size = (max(4.5, 3.4 * columns), 3.2 * rows + 0.4)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axes, key in zip(panels.flat, keys, strict=False):
        _slice(axes, result, key)
    for axes in panels[:, 0]:
        _name_values(axes, result)
    for axes in panels.flat[len(keys) :]:
        axes.set_visible(False)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    return figure


def _slice(axes: Axes, result: SweepResult, key: str) -> None:
    rows = [row for row in result.trials if key in row.values]
    places = [row.values[key] for row in rows]
    if any(isinstance(place, str | bool) for place in places):
        names = sorted({str(place) for place in places})
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
        places = [names.index(str(place)) for place in places]
    elif key in result.log_keys:
        axes.set_xscale("log")
    _scatter(axes, list(zip(rows, map(float, places), strict=True)))
    best = next(place for row, place in zip(rows, places, strict=True) if row == result.best)
    at, value = [float(best)], [_value(result.best)]
    axes.plot(at, value, "o", ms=12, mfc="none", mec=VERMILLION, mew=2, label="best", zorder=3)
    axes.set_xlabel(key)


def _scatter(axes: Axes, points: list[tuple[TrialRow, float]]) -> None:
    """Plot complete and pruned trials with different markers and colours."""
    for state, mark, colour in (("complete", "o", BLUE), ("pruned", "x", GREY)):
        chosen = [(at, _value(row)) for row, at in points if row.state == state]
        if chosen:
            axes.plot(*np.array(chosen).T, mark, color=colour, ms=6, alpha=0.8, label=state)


def _best_so_far(result: SweepResult) -> Iterator[tuple[int, float]]:
    """Yield each trial's number and the best value so far."""
    best: list[float] = []
    for row in result.trials:
        if row.state == "complete":
            best = [(max if result.is_higher_better else min)([*best, _value(row)])]
        if best:
            yield row.number, best[0]


def _name_values(axes: Axes, result: SweepResult) -> None:
    values = [row.value for row in result.trials if row.value is not None]
    axes.set_ylabel(AXIS_NAMES[result.objective])
    if not result.is_higher_better and max(values) > WIDE * min(values) > 0:
        axes.set_yscale("log")
    if result.is_higher_better:
        axes.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _value(row: TrialRow) -> float:
    return float("nan") if row.value is None else row.value
