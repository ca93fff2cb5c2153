"""Accuracy, certainty and leaks of a model as terminal tables."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from rich.console import Console
from rich.table import Table

from euguess.messages.records import Interval
from euguess.training.report import Certainty, LeakingPair, Report

METRIC_NAMES = {
    "top1_accuracy": "top-1 accuracy",
    "top5_accuracy": "top-5 accuracy",
    "macro_recall": "macro recall",
    "mean_error_km": "mean error, km",
    "median_error_km": "median error, km",
    "geoscore": "GeoScore, of 5000",
    "accuracy_within_750_km": "within 750 km",
}
NO_SHARES = ("mean_error_km", "median_error_km", "geoscore")
SHOWN_PAIRS = 5  # of each kind of leak
WIDEST_CONFUSION = 12  # countries whose confusion matrix fits a terminal


def print_report(console: Console, report: Report) -> None:
    """Print the report as tables."""
    title = f"{report.recipe_name} on {report.dataset}: {report.protocol} split ({report.kind})"
    console.print(_metrics_table(title, report))
    print_caveats(console, "Note", report)
    if report.leaking_pairs:
        console.print(leaks_table(report.leaks, report.leaking_pairs))
    if report.certainty:
        console.print(_certainty_table(report.certainty))
    console.print(_countries_table(report))
    if len(report.countries) <= WIDEST_CONFUSION:
        console.print(_confusion_table(report))


def print_caveats(console: Console, title: str, report: Report) -> None:
    """Print what a reader of the figures needs, one line each."""
    for caveat in report.caveats:
        console.print(f"{title}: {caveat}", style="yellow", markup=False, highlight=False)


def print_comparison(console: Console, leaky: Report, honest: Report) -> None:
    """Print one recipe's accuracy under two protocols side by side."""
    table = Table(title=f"{honest.recipe_name} on {honest.dataset}: split by image and by place")
    table.add_column("")
    table.add_column(f"leaky ({leaky.protocol} split)", justify="right")
    table.add_column(f"{honest.kind} ({honest.protocol} split)", justify="right")
    for name in (name for name in METRIC_NAMES if name in honest.metrics and name in leaky.metrics):
        cells = (shown(name, report.metrics[name]) for report in (leaky, honest))
        table.add_row(METRIC_NAMES[name], *cells)
    # Under the image split, few test locations have all views: only the honest curve is meaningful.
    for fused in honest.fused[1:]:
        label = f"top-1 accuracy, {fused.views} views"
        table.add_row(label, "", percent(fused.metrics["top1_accuracy"]))
    for label, report_of in (
        ("test images", _test_images),
        ("from places also in training", _leaked),
    ):
        table.add_row(label, *(report_of(report) for report in (leaky, honest)))
    chances = (f"{report.baselines.chance:.1%}" for report in (leaky, honest))
    table.add_row("chance", *chances, style="dim")
    console.print(table)
    for report in (leaky, honest):
        print_caveats(console, f"Note on the {report.protocol} split", report)


def leaks_table(leaks: Mapping[str, int], pairs: Sequence[LeakingPair]) -> Table:
    """Return a table of the first leaking pairs of each kind, with the number of tested views."""
    counts = ", ".join(f"{kind} {count}" for kind, count in leaks.items())
    table = Table(
        title="LEAKY: tested views with a match in training",
        caption=f"Tested views by what they share: {counts}",
    )
    for name in ("shared", "tested view", "trained on", "km apart", "bits"):
        table.add_column(name, justify="right" if name in ("km apart", "bits") else "left")
    for pair in _first_of_each_kind(pairs):
        table.add_row(
            pair.kind,
            f"{pair.test_location} {pair.test_heading:g}°",
            f"{pair.train_location} {pair.train_heading:g}°",
            "" if pair.distance_km is None else f"{pair.distance_km:.3f}",
            "" if pair.bits is None else str(pair.bits),
        )
    return table


def percent(interval: Interval) -> str:
    """Format a share with its interval as 61.2 % [55, 67]."""
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % [{low:.0f}, {high:.0f}]"


def plain(interval: Interval, digits: int = 0) -> str:
    """Format a number with its interval as 812 [700, 930]."""
    value, low, high = (
        f"{number:.{digits}f}" for number in (interval.value, interval.low, interval.high)
    )
    return f"{value} [{low}, {high}]"


def shown(name: str, interval: Interval) -> str:
    """Format a metric in its unit."""
    return plain(interval) if name in NO_SHARES else percent(interval)


def _test_images(report: Report) -> str:
    return str(report.parts["test"].images)


def _leaked(report: Report) -> str:
    return f"{report.leaks.get('location', 0) / report.parts['test'].images:.0%}"


def _metrics_table(title: str, report: Report) -> Table:
    test = report.parts["test"]
    caption = f"95 % intervals over {test.locations} test locations ({test.images} images)"
    table = Table(title=title, caption=caption)
    for name in ("", "single view"):
        table.add_column(name, justify="right" if name else "left")
    curve = [fused for fused in report.fused[1:] if fused.views in (2, 3, len(report.fused))]
    for fused in curve:
        table.add_column(f"{fused.views} views", justify="right")
    for name, interval in report.metrics.items():
        cells = (shown(name, fused.metrics[name]) for fused in curve)
        table.add_row(METRIC_NAMES[name], shown(name, interval), *cells)
    baselines = {"chance": report.baselines.chance, "majority": report.baselines.majority}
    if report.mean_of_batches is not None:
        table.add_row("top-1 as the study averaged it", f"{report.mean_of_batches:.1%}")
    if report.faults:
        table.add_row("faults of the study", ", ".join(report.faults), style="red")
    for name, value in baselines.items():
        text = "not recorded" if value is None else f"{value:.1%}"
        table.add_row(f"{name} (top-1)", text, style="dim")
    return table


def _first_of_each_kind(pairs: Sequence[LeakingPair]) -> Iterator[LeakingPair]:
    shown: Counter[str] = Counter()
    for pair in pairs:
        shown[pair.kind] += 1
        if shown[pair.kind] <= SHOWN_PAIRS:
            yield pair


CERTAINTY_CELLS: dict[str, Callable[[Certainty], str]] = {
    "temperature": lambda row: f"{row.calibration.temperature:.2f}",
    "NLL before, nats": lambda row: plain(row.uncalibrated_nll, 2),
    "NLL, nats": lambda row: plain(row.nll, 2),
    "Brier score (0 to 2)": lambda row: plain(row.brier, 2),
    "calibration error before": lambda row: f"{row.uncalibrated_ece:.1%}",
    "calibration error": lambda row: f"{row.ece:.1%}",
    "90 % sets that contain the country": lambda row: percent(row.set_coverage),
    "countries per set": lambda row: plain(row.set_size, 1),
    "places answered (at 90 % correct)": lambda row: percent(row.answered),
    "accuracy on these": lambda row: (
        percent(row.answered_accuracy) if row.answered_accuracy else "-"
    ),
}


def _certainty_table(measured: tuple[Certainty, ...]) -> Table:
    places = measured[0].calibration.locations
    caption = f"Calibrated on {places} val places, measured on {measured[0].locations} test places"
    table = Table(title="Calibration of the probabilities", caption=caption)
    table.add_column("")
    for row in measured:
        table.add_column(f"{row.views} view{'s' if row.views > 1 else ''}", justify="right")
    for name, cell in CERTAINTY_CELLS.items():
        table.add_row(name, *(cell(row) for row in measured))
    return table


def _countries_table(report: Report) -> Table:
    table = Table(title="Single views by country")
    for name in ("country", "test images", "recall", "precision"):
        table.add_column(name, justify="left" if name == "country" else "right")
    names = {country.country_code: country.name for country in report.countries}
    for row in report.per_country:
        recall = f"{row.recall:.0%}" if row.images else "-"
        precision = f"{row.precision:.0%}" if row.predicted else "-"
        table.add_row(names[row.country_code], str(row.images), recall, precision)
    return table


def _confusion_table(report: Report) -> Table:
    table = Table(title="Confusion: true country (rows), predicted country (columns)")
    codes = [country.country_code for country in report.countries]
    for name in ("", *codes):
        table.add_column(name, justify="right")
    for label, row in enumerate(report.confusion):
        table.add_row(codes[label], *_confusion_cells(label, row))
    return table


def _confusion_cells(label: int, row: tuple[int, ...]) -> Iterator[str]:
    for predicted, count in enumerate(row):
        text = str(count) if count else "[dim].[/dim]"
        yield f"[bold]{text}[/bold]" if predicted == label else text
