"""Write the report folder of a sweep: the best recipe, tables and plots."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from services.trainer.reports.markdown import escaped, markdown_table
from services.trainer.reports.page import html_page
from services.trainer.sweeps.plots import draw_all
from services.trainer.sweeps.result import SweepResult, TrialRow
from services.trainer.sweeps.spec import Sweep
from services.trainer.sweeps.status import figure_text, objective_text, value_text

BEST_RECIPE = "best.toml"
TITLES = {
    "importance.png": "Importance of each key",
    "slices.png": "Objective by key",
    "history.png": "Trials in order",
}


def write_report(sweep: Sweep, result: SweepResult, folder: Path) -> None:
    """Write best.toml, report.md, report.html, result.json and the plots; replace old files."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BEST_RECIPE).write_text(best_recipe_text(sweep, result))
    (folder / "result.json").write_text(result.model_dump_json(indent=2))
    pictures = draw_all(result, folder)
    text = markdown(result, pictures)
    (folder / "report.md").write_text(text)
    page = html_page(f"Sweep {result.name}", text, [folder / name for name in pictures])
    (folder / "report.html").write_text(page)


def best_recipe_text(sweep: Sweep, result: SweepResult) -> str:
    """Return the best recipe as TOML for `euguess train`."""
    best = result.best
    return (
        f"# Trial {best.number} of the sweep {result.study}: {_shown(result, best.value)}.\n"
        f"# Train it: euguess train {result.dataset} --recipe <this file>\n"
        f"{sweep.best_recipe(best.values).to_toml()}"
    )


def markdown(result: SweepResult, pictures: Sequence[str]) -> str:
    """Return the report as Markdown; its plots are in the same folder."""
    best = result.best
    counts = f"{len(result.complete)} completed and {len(result.pruned)} were pruned"
    parts = [
        f"# Sweep {result.name}",
        f"Base recipe {escaped(result.recipe_name)}, dataset {result.dataset}, {result.protocol} "
        f"split. Of {len(result.trials)} trials, {counts}.",
        f"**Best: trial {best.number}, {_shown(result, best.value)}**, in {BEST_RECIPE}.",
        markdown_table(
            ("key", "best value"),
            [(f"`{k}`", escaped(value_text(v))) for k, v in best.values.items()],
        ),
        "The best of many trials looks better than it is, because it was selected by this figure. "
        "Trials never see the test set. To measure the best recipe on it: "
        f"`euguess train {result.dataset} --recipe {BEST_RECIPE}`.",
        *(f"## {TITLES[name]}\n\n![{TITLES[name]}]({name})" for name in TITLES if name in pictures),
        "## All trials, best first",
        markdown_table(
            ("trial", "objective", "epochs", "seconds", *best.values, ""),
            _rows(result),
            align="rrrr" + "r" * len(best.values) + "l",
        ),
    ]
    return "\n\n".join(parts) + "\n"


def _rows(result: SweepResult) -> Iterator[tuple[str, ...]]:
    sign = -1 if result.is_higher_better else 1
    by_value = sorted(result.complete, key=lambda row: sign * (row.value or 0))
    for row in (*by_value, *result.pruned):
        values = (_value(row, key) for key in result.best.values)
        why = escaped(row.reason) if row.reason else "pruned" if row.state == "pruned" else ""
        shown = "" if row.value is None else figure_text(result.objective, row.value)
        yield (str(row.number), shown, str(row.epochs), f"{row.seconds:.1f}", *values, why)


def _value(row: TrialRow, key: str) -> str:
    return escaped(value_text(row.values[key])) if key in row.values else ""


def _shown(result: SweepResult, value: float | None) -> str:
    return objective_text(result.objective, value)
