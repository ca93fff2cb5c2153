"""Report of the shortcut test: JSON, Markdown and a bar chart with intervals."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from euguess.messages.records import Interval
from services.trainer.models.shortcuts import HiddenRegion, Shortcuts
from services.trainer.reports.markdown import markdown_table
from services.trainer.reports.palette import BLUE, GREY, VERMILLION

COLUMNS = ("hidden region", "share of pixels", "accuracy", "drop", "significant")
STEM = "shortcuts"


def write_report(found: Shortcuts, folder: Path) -> tuple[Path, ...]:
    """Write shortcuts.json, .md and .png to a folder; return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = tuple(folder / f"{STEM}.{ending}" for ending in ("json", "md", "png"))
    paths[0].write_text(found.model_dump_json(indent=2) + "\n")
    paths[1].write_text(page(found))
    draw(found, paths[2])
    return paths


def page(found: Shortcuts) -> str:
    """Format the table and the chart as Markdown."""
    lines = [
        f"# Shortcuts of {found.network} on {found.dataset}",
        "",
        f"Run {found.run_id}; {found.views} test photos of {found.places} places that the model "
        f"has not seen. Single-view accuracy on complete photos: {_percent(found.accuracy)}.",
        "Hidden regions are filled with the mean colour of the normalisation. 95 % intervals by "
        "bootstrap over places; drops are paired.",
        "",
        markdown_table(COLUMNS, map(_cells, found.regions), align="lllll"),
        "",
        f"![Drops in accuracy]({STEM}.png)",
        "",
    ]
    return "\n".join(lines)


def _cells(region: HiddenRegion) -> tuple[str, ...]:
    return (
        region.region,
        f"{region.hidden:.1%}",
        _percent(region.accuracy),
        _percent(region.drop),
        "yes" if region.is_used else "no",
    )


def draw(found: Shortcuts, path: Path) -> None:
    """Draw the drops with their intervals as bars, as a PNG."""
    figure = Figure(figsize=(7, 1 + 0.6 * len(found.regions)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places = [-place for place in range(len(found.regions))]
    colours = [VERMILLION if one.is_used else BLUE for one in found.regions]
    axes.barh(places, [one.drop.value for one in found.regions], color=colours, height=0.6)
    for place, one in zip(places, found.regions, strict=True):
        axes.plot([one.drop.low, one.drop.high], [place, place], color="black")
    axes.axvline(0, color=GREY, linewidth=1)
    axes.set_yticks(places, [one.region for one in found.regions])
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    axes.set_title("Accuracy lost when a region is hidden, 95 %; red: significant", fontsize=9)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _percent(interval: Interval) -> str:
    return f"{interval.value:.1%} ({interval.low:.1%} to {interval.high:.1%})"
