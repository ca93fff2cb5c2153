"""A folder with what a sweep has found: the best recipe, tables and pictures."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from services.trainer.sweeps.plots import draw_all
from services.trainer.sweeps.result import SweepResult
from services.trainer.sweeps.spec import Sweep
from services.trainer.sweeps.status import figure_text, objective_text, value_text

BEST_RECIPE = "best.toml"
TITLES = {
    "importance.png": "Which keys matter",
    "slices.png": "The objective along each key",
    "history.png": "How the sweep went",
}
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
img {{ max-width: 100% }}
table {{ border-collapse: collapse; display: block; overflow-x: auto }}
th, td {{ border: 1px solid #ccc; padding: .2rem .6rem; text-align: right }}
</style></head><body>
{body}</body></html>
"""  # noqa: E501


def write_report(sweep: Sweep, result: SweepResult, folder: Path) -> None:
    """best.toml, report.md, report.html, result.json and the pictures; old ones are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / BEST_RECIPE).write_text(best_recipe_text(sweep, result))
    (folder / "result.json").write_text(result.model_dump_json(indent=2))
    text = markdown(result, draw_all(result, folder))
    (folder / "report.md").write_text(text)
    body = MarkdownIt("commonmark").enable("table").render(text)
    (folder / "report.html").write_text(PAGE.format(title=f"Sweep {result.name}", body=body))


def best_recipe_text(sweep: Sweep, result: SweepResult) -> str:
    """TOML for `euguess train`."""
    best = result.best
    return (
        f"# Trial {best.number} of the sweep {result.study}: {_shown(result, best.value)}.\n"
        f"# Train it: euguess train {result.dataset} --recipe <this file>\n"
        f"{sweep.best_recipe(best.values).to_toml()}"
    )


def markdown(result: SweepResult, pictures: Sequence[str]) -> str:
    """The report; pictures lie beside it."""
    best = result.best
    counts = f"{len(result.complete)} ran to their end, {len(result.pruned)} were pruned"
    parts = [
        f"# Sweep {result.name}",
        f"Base recipe {result.recipe_name}, dataset {result.dataset}, {result.protocol} split. Of "
        f"{len(result.trials)} trials {counts}.",
        f"**Best: trial {best.number}, {_shown(result, best.value)}**, in {BEST_RECIPE}.",
        _table(("key", "best value"), [(f"`{k}`", value_text(v)) for k, v in best.values.items()]),
        "The best of many trials is flattered by the choice. Trials see neither the test part nor "
        f"each other's weights: `euguess train {result.dataset} --recipe {BEST_RECIPE}` measures "
        "the best recipe on the test part.",
        *(f"## {TITLES[name]}\n\n![{TITLES[name]}]({name})" for name in TITLES if name in pictures),
        "## All trials, the best first",
        _table(("trial", "objective", "epochs", "seconds", *best.values, ""), _rows(result)),
    ]
    return "\n\n".join(parts) + "\n"


def _rows(result: SweepResult) -> Iterator[tuple[str, ...]]:
    sign = -1 if result.is_higher_better else 1
    by_value = sorted(result.complete, key=lambda row: sign * (row.value or 0))
    for row in (*by_value, *result.pruned):
        values = (value_text(row.values.get(key, "")) for key in result.best.values)
        why = row.reason or ("pruned" if row.state == "pruned" else "")
        shown = "" if row.value is None else figure_text(result.objective, row.value)
        yield (str(row.number), shown, str(row.epochs), f"{row.seconds:.1f}", *values, why)


def _shown(result: SweepResult, value: float | None) -> str:
    return objective_text(result.objective, value)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]] | Iterator[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
