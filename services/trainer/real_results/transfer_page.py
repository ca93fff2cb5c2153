"""Write what heads learn across datasets as a Markdown page."""

from collections.abc import Iterator

from euguess.messages.records import Interval
from euguess.promotion.verdict import points
from services.trainer.real_results.transfer_summary import (
    BASELINE,
    TransferLine,
    TransferResults,
)
from services.trainer.reports.markdown import bullets, escaped, markdown_table
from services.trainer.reports.tables import percent

COLUMNS = (
    *("trained on", "tested on", "recipe", "places", "top-1", "top-5", "macro recall"),
    *("top-1 minus baseline", "macro minus baseline"),
)
CERTAINTY = (
    *("trained on", "tested on", "recipe", "calibration error"),
    *("in the country set", "countries in the set", "left out"),
)


def transfer_page(results: TransferResults, plot: str) -> str:
    """Return the page. plot: file name of the picture beside it."""
    return "\n".join([*_head(results), "", *_tables(results, plot), ""])


def _head(results: TransferResults) -> Iterator[str]:
    names = " and ".join(f"`{name}`" for name in results.datasets)
    yield f"# Results across {names}"
    yield ""
    yield (
        f"{len(results.seeds)} seeds. Repeat with `make real-results`. A seed splits the places of "
        f"all datasets together. Heads trained on {names}, and on all of them, are tested on the "
        "same places, none of which any of them was trained on. Regularisation and calibration "
        "come from cross-validation over the training places alone."
    )
    yield ""
    yield (
        "All views of a place are fused. The predictions of all seeds are pooled, and the 95 % "
        "intervals are by bootstrap over places. Differences are paired and in percentage points; "
        f"the baseline is `{BASELINE}`, trained on the same places. Places in countries without a "
        "training place cannot be right; they are left out and counted below."
    )
    yield ""
    yield markdown_table(
        ("dataset", "test places", "share of test places", "countries"),
        (
            (f"`{one.dataset}`", str(one.test_places), f"{one.test_share:.0%}", str(one.countries))
            for one in results.shares
        ),
    )


def _tables(results: TransferResults, plot: str) -> Iterator[str]:
    yield "## Accuracy"
    yield ""
    yield markdown_table(COLUMNS, map(_accuracy, results.lines), align="lllrrrrrr")
    yield ""
    yield f"![Top-1 accuracy by dataset and recipe]({plot})"
    yield ""
    yield "## Certainty under shift"
    yield ""
    yield (
        "The country sets are meant to contain the true country for 90 % of the places. That holds "
        "for places like those of the training; for another dataset it has to be measured."
    )
    yield ""
    yield markdown_table(CERTAINTY, map(_certainty, results.lines), align="lllrrrr")
    if results.left_out:
        yield ""
        yield "Left out:"
        yield ""
        yield bullets(map(escaped, results.left_out))


def _accuracy(line: TransferLine) -> tuple[str, ...]:
    return (
        *_names(line),
        str(line.places),
        percent(line.top1),
        percent(line.top5),
        percent(line.macro_recall),
        _difference(line.top1_over_baseline),
        _difference(line.macro_over_baseline),
    )


def _certainty(line: TransferLine) -> tuple[str, ...]:
    size = line.set_size
    return (
        *_names(line),
        f"{line.ece:.1%}",
        percent(line.set_coverage),
        f"{size.value:.1f} [{size.low:.1f}, {size.high:.1f}]",
        str(line.unknown),
    )


def _names(line: TransferLine) -> tuple[str, str, str]:
    return escaped(line.trained_on), escaped(line.tested_on), escaped(line.recipe)


def _difference(difference: Interval | None) -> str:
    return points(difference) if difference else ""
