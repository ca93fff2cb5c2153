"""Write the real results as a Markdown page."""

from collections.abc import Iterator

from euguess.promotion.verdict import points
from services.trainer.real_results.summary import BEST, STUDY, RecipeSummary, Results
from services.trainer.reports.markdown import bullets, escaped, markdown_table
from services.trainer.reports.tables import percent

COLUMNS = (
    *("recipe", "single view", "all views fused", "macro recall, fused"),
    *("fused minus single", "minus study", "seconds"),
)
SEED_COLUMNS = ("recipe", "seed", "held out, fused", "single view", "all views fused", "chosen")


def page(results: Results, plot: str) -> str:
    """Return the page. plot: file name of the picture beside it."""
    return "\n".join([*_head(results), "", *_table(results), "", *_rest(results, plot), ""])


def _head(results: Results) -> Iterator[str]:
    yield "# Results on real photos"
    yield ""
    yield (
        f"{len(results.seeds)} seeds on `{results.dataset}`. Repeat with `make real-results`. A "
        "seed changes the split and the initialisation. All recipes of a seed are tested on the "
        "same places, and no recipe is trained on them (a split over locations)."
    )
    yield ""
    yield (
        f"Predictions of all seeds are pooled: {results.tests} predictions for "
        f"{results.distinct_places} different places. The 95 % intervals are by bootstrap over "
        "these places, each with the predictions of every seed that tested it; differences are "
        "paired. They hold for new places of this collection and for these seeds, not for other "
        "cameras or for countries with few places."
    )
    yield ""
    yield (
        "Accuracies are shares of places. Single-view accuracy is the share of a place's views "
        "that are correct, averaged over places. For each seed, the regularisation of a head and "
        f"the head called `{BEST}` are chosen by cross-validation over locations within train and "
        "val (most held-out places correct). Each recipe is tested once. Trained networks choose "
        "their epoch on val and are trained on train only."
    )
    yield ""
    yield (
        f"Chance is {results.chance:.1%}; always predicting the most frequent training country "
        f"gives {results.majority:.1%}."
    )


def _table(results: Results) -> Iterator[str]:
    yield markdown_table(COLUMNS, map(_cells, results.lines))


def _cells(line: RecipeSummary) -> tuple[str, ...]:
    name = escaped(line.recipe)
    return (
        f"**{name}**" if line.recipe == BEST else name,
        percent(line.single),
        percent(line.fused),
        percent(line.macro_recall),
        points(line.gain),
        points(line.over_study) if line.over_study else "",
        f"{line.seconds:.0f}",
    )


def _rest(results: Results, plot: str) -> Iterator[str]:
    yield "Differences are in percentage points. Seconds exclude computing features."
    yield ""
    yield f"![Accuracy by recipe, and by the number of views]({plot})"
    yield ""
    yield "## Seed by seed"
    yield ""
    rows = (cells for line in results.lines for cells in _seeds(line))
    yield markdown_table(SEED_COLUMNS, rows, align="lrrrrl")
    if not any(line.recipe == STUDY for line in results.lines):
        yield ""
        yield "The study's recipe was not measured, so there is no comparison with it."
    if results.left_out:
        yield ""
        yield "Left out:"
        yield ""
        yield bullets(map(escaped, results.left_out))


def _seeds(line: RecipeSummary) -> Iterator[tuple[str, ...]]:
    for row in line.seeds:
        held_out = f"{row.held_out.accuracy:.1%}" if row.held_out else ""
        shares = (f"{row.single:.1%}", f"{row.fused:.1%}")
        choice = escaped(row.choice) if row.choice else ""
        yield escaped(line.recipe), str(row.seed), held_out, *shares, choice
