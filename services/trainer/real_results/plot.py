"""Plot of the real results: accuracies with intervals, and the curve over views."""

from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from services.trainer.real_results.summary import BEST, STUDY, Results
from services.trainer.reports.palette import BLUE, GREEN, GREY, VERMILLION

SINGLE, FUSED = BLUE, VERMILLION
CURVES = {STUDY: GREY, "fixed": GREEN, BEST: FUSED}


def draw(results: Results, path: Path) -> None:
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    bars, curves = figure.subplots(1, 2, width_ratios=(3, 2))
    _bars(bars, results)
    _curves(curves, results)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _bars(axes: Axes, results: Results) -> None:
    for place, line in enumerate(results.lines):
        for interval, shift, colour in (
            (line.single, 0.15, SINGLE),
            (line.fused, -0.15, FUSED),
        ):
            axes.plot([interval.low, interval.high], [-place + shift] * 2, color=colour)
            axes.plot([interval.value], [-place + shift], "o", color=colour)
    axes.axvline(results.majority, color=GREY, linestyle=":")
    axes.set_yticks(
        [-place for place in range(len(results.lines))], [line.recipe for line in results.lines]
    )
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Single view (blue), all views (red), 95 %; dotted: majority", fontsize=9)


def _curves(axes: Axes, results: Results) -> None:
    for line in results.lines:
        if line.recipe not in CURVES:
            continue
        colour, views = CURVES[line.recipe], range(1, len(line.curve) + 1)
        axes.plot(views, [point.value for point in line.curve], "o-", color=colour)
        lows, highs = ([getattr(p, end) for p in line.curve] for end in ("low", "high"))
        axes.fill_between(views, lows, highs, color=colour, alpha=0.12, label=line.recipe)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.set_xlabel("views used, of each place")
    axes.legend()
