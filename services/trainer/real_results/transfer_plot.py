"""Plot top-1 accuracy by training data, one panel per tested dataset."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from services.trainer.real_results.transfer import ALL
from services.trainer.real_results.transfer_summary import TransferResults
from services.trainer.reports.palette import BLUE, GREEN, VERMILLION

COLOURS = (BLUE, GREEN, VERMILLION)


def draw_transfer(results: TransferResults, path: Path) -> None:
    """Draw the plot to a PNG file."""
    transfer_figure(results).savefig(path, dpi=110, metadata={"Software": None})


def transfer_figure(results: TransferResults) -> Figure:
    """Return the plot: a panel per tested dataset, a row per recipe, a colour per training data."""
    recipes = list(dict.fromkeys(line.recipe for line in results.lines))
    figure = Figure(figsize=(12, 1.6 + 0.6 * len(recipes)), layout="constrained")
    FigureCanvasAgg(figure)
    tested = (*results.datasets, ALL)
    panels = figure.subplots(1, len(tested), sharex=True, sharey=True)
    for axes, tested_on in zip(panels, tested, strict=True):
        _panel(axes, results, recipes, tested_on)
    panels[0].set_xlim(left=0)  # of all panels; only now, as it ends the fit to what is drawn
    panels[0].set_yticks([-place for place in range(len(recipes))], recipes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(tested))
    return figure


def _panel(axes: Axes, results: TransferResults, recipes: list[str], tested_on: str) -> None:
    for number, trained_on in enumerate((*results.datasets, ALL)):
        lines = [
            line
            for line in results.lines
            if (line.trained_on, line.tested_on) == (trained_on, tested_on)
        ]
        heights = [0.2 * (1 - number) - recipes.index(line.recipe) for line in lines]
        values = [line.top1.value for line in lines]
        errors = [
            [line.top1.value - line.top1.low for line in lines],
            [line.top1.high - line.top1.value for line in lines],
        ]
        colour = COLOURS[number % len(COLOURS)]
        axes.errorbar(
            values, heights, xerr=errors, fmt="o", color=colour, label=f"trained on {trained_on}"
        )
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    axes.set_title(f"Top-1, tested on {tested_on}", fontsize=10)
    axes.grid(axis="x", alpha=0.3)
