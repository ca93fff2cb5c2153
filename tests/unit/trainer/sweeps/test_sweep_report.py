"""Sweep reports: tables, plots and the best recipe."""

from pathlib import Path

import pytest
from PIL import Image

from euguess.training.recipes.recipe import read_recipe
from services.trainer.sweeps.report import TITLES, write_report
from services.trainer.sweeps.result import State, SweepResult, TrialRow
from services.trainer.sweeps.spec import Sweep, SweepSpec, Value
from tests.support.tiny_training import tiny_recipe

SPACE = {
    "optimizer.learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
    "optimizer.name": {"choices": ["adamw", "sgd"]},
}


def row(number: int, state: State, value: float | None, reason: str | None = None) -> TrialRow:
    name = "sgd" if number % 2 else "adamw"
    values: dict[str, Value] = {"optimizer.learning_rate": 0.001 * (1 + number)}
    values["optimizer.name"] = name
    return TrialRow(
        number=number,
        state=state,
        value=value,
        epochs=2,
        seconds=1.25,
        values=values,
        reason=reason,
    )


def result_of(*rows: TrialRow, objective: str, importances: dict[str, float]) -> SweepResult:
    return SweepResult(
        name="tiny",
        study="tiny-tiny-0",
        dataset="tiny",
        objective=objective,
        recipe_name="tiny",
        protocol="location",
        wanted=len(rows),
        log_keys=("optimizer.learning_rate",),
        trials=rows,
        best=rows[1],
        importances=importances,
    )


def write(folder: Path, result: SweepResult) -> str:
    facts = {"name": "tiny", "recipe": "", "trials": 3, "space": SPACE}
    write_report(Sweep(SweepSpec.model_validate(facts), tiny_recipe()), result, folder)
    return (folder / "report.md").read_text()


ROWS = (
    row(0, "complete", 0.0),
    row(1, "complete", 0.75),
    row(2, "pruned", None, "loss nan | lower the rate"),
    row(3, "complete", 0.5),
)


def test_a_report_lists_every_trial_and_includes_the_best_recipe(tmp_path: Path) -> None:
    shares = {"optimizer.name": 0.9, "optimizer.learning_rate": 0.1}
    text = write(tmp_path, result_of(*ROWS, objective="val_accuracy", importances=shares))
    table = text.split("best first")[1]
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == ["| 1", "| 3", "| 0", "| 2"]
    assert "loss nan \\| lower the rate" in table
    assert "**Best: trial 1, val accuracy 75.0%**" in text
    best = read_recipe(tmp_path / "best.toml")
    assert (best.optimizer.learning_rate, best.optimizer.name) == (0.002, "sgd")
    page = (tmp_path / "report.html").read_text()
    assert page.count("<tr>") == 1 + len(ROWS) + 1 + len(SPACE)
    for name in ("history.png", "slices.png", "importance.png"):
        assert f'alt="{TITLES[name]}"' in page
        with Image.open(tmp_path / name) as picture:
            assert picture.width > 500
    assert page.count('src="data:image/png;base64,') == 3
    assert SweepResult.model_validate_json((tmp_path / "result.json").read_text()).best == ROWS[1]


@pytest.mark.parametrize("objective", ["val_accuracy", "val_loss"])
def test_unknown_importances_are_not_plotted(tmp_path: Path, objective: str) -> None:
    text = write(tmp_path, result_of(*ROWS[:2], objective=objective, importances={}))
    assert "slices.png" in text
    assert "importance.png" not in text
    assert not (tmp_path / "importance.png").exists()


def test_markup_in_a_reason_is_escaped(tmp_path: Path) -> None:
    rows = (*ROWS[:2], row(2, "pruned", None, "<b>no</b> *number*"))
    write(tmp_path, result_of(*rows, objective="val_accuracy", importances={}))
    assert "&lt;b&gt;no&lt;/b&gt; *number*" in (tmp_path / "report.html").read_text()
