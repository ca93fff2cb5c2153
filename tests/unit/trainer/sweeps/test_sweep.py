"""Sweep files: valid and invalid keys, values and epochs."""

from pathlib import Path

import pytest

from euguess.errors import InvalidRecipe
from euguess.process.project import project_root
from euguess.training.recipes.recipe import parse_recipe
from services.trainer.sweeps.space import check_space
from services.trainer.sweeps.spec import Sweep, Values, read_sweep

SHIPPED = sorted((project_root() / "experiments" / "sweeps").glob("*.toml"))
BASE = 'name = "base"\nnetwork = "smallnet"\nimage_size = 32\nepochs = 9\n'
HEAD = 'name = "test"\nrecipe = "base.toml"\ntrials = 3\n'
RATE = "[space.optimizer.learning_rate]\nlow = 1e-4\nhigh = 1\nlog = true\n"


def sweep_of(folder: Path, text: str) -> Sweep:
    (folder / "base.toml").write_text(BASE)
    (folder / "sweep.toml").write_text(text)
    sweep = read_sweep(folder / "sweep.toml")
    check_space(sweep)
    return sweep


def space(key: str, values: str) -> str:
    return f'{HEAD}[space."{key}"]\n{values}\n'


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_are_valid(path: Path) -> None:
    check_space(read_sweep(path))


def test_keys_may_be_quoted_or_nested_tables(tmp_path: Path) -> None:
    quoted = RATE.replace("optimizer.learning_rate", '"optimizer.learning_rate"')
    assert sweep_of(tmp_path, HEAD + RATE) == sweep_of(tmp_path, HEAD + quoted)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name = ", ["not TOML"]),
        (HEAD + "trails = 3\n" + RATE, ["unknown key trails", "trials"]),
        (HEAD, ["space", "required"]),
        (HEAD + 'pruner = "axe"\n' + RATE, ["pruner", "'hyperband'"]),
        (space("optimizer.lr", "low = 1\nhigh = 2"), ["unknown key optimizer.lr", "learning_rate"]),
        (space("batchsize", "low = 1\nhigh = 2"), ["unknown key batchsize", "batch_size"]),
        (space("batch_size", "low = 1\nhigh = 8"), ["space.batch_size = 1", "equal to 2"]),
        (space("batch_size", "low = 2.5\nhigh = 8"), ["space.batch_size = 2.5", "integer"]),
        (space("optimizer.name", 'choices = ["sgd", "lion"]'), ["'lion'", "'adamw'"]),
        (space("optimizer", "choices = [1, 2]"), ["space.optimizer", "Optimisation"]),
        (space("batch_size", "low = 8\nhigh = 8"), ["space.batch_size", "low (8) must be below"]),
        (space("batch_size", "low = 8"), ["space.batch_size", "low and high, or choices"]),
        (space("batch_size", "choices = [8]"), ["space.batch_size", "2 different choices"]),
        (space("batch_size", "choices = [8, 9]\nlow = 3"), ["choices need no low"]),
        (space("batch_size", "low = 8\nhigh = 9\nstep = 1"), ["step", "choices, high, log, low"]),
        (space("label_smoothing", "low = 0\nhigh = 0.1\nlog = true"), ["start above 0"]),
        (space("split.val_fraction", "low = 0.1\nhigh = 0.2"), ["cannot be compared"]),
        (space("faults.no_validation", "choices = [true, false]"), ["a validation set"]),
        (space("name", 'choices = ["a", "b"]'), ["has no effect"]),
        (HEAD + "epochs = 2\n[space.epochs]\nlow = 1\nhigh = 3\n", ["remove one of the two"]),
    ],
)
def test_an_invalid_sweep_is_refused_naming_the_key(
    tmp_path: Path, text: str, said: list[str]
) -> None:
    with pytest.raises(InvalidRecipe) as refused:
        sweep_of(tmp_path, text)
    assert [words for words in said if words not in str(refused.value)] == []
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("missing", ["sweep.toml", "base.toml"])
def test_a_missing_file_is_named(tmp_path: Path, missing: str) -> None:
    sweep_of(tmp_path, HEAD + RATE)
    (tmp_path / missing).unlink()
    with pytest.raises(InvalidRecipe, match=missing):
        read_sweep(tmp_path / "sweep.toml")


def test_trials_use_the_sweeps_epochs_and_the_best_recipe_the_base_recipes(
    tmp_path: Path,
) -> None:
    sweep = sweep_of(tmp_path, HEAD + "epochs = 2\n" + RATE)
    values: Values = {"optimizer.learning_rate": 1.25e-05, "optimizer.name": "sgd", "views": 3}
    assert sweep.recipe_of(values).epochs == 2
    best = parse_recipe(sweep.best_recipe(values).to_toml())
    assert (best.name, best.epochs, best.views) == ("test-best", 9, 3)
    assert (best.optimizer.learning_rate, best.optimizer.name) == (1.25e-05, "sgd")


def test_only_the_number_of_trials_can_change_within_a_study(tmp_path: Path) -> None:
    def digest(text: str, manifest: str = "m") -> str:
        return sweep_of(tmp_path, text).digest(manifest)

    same = digest(HEAD + RATE)
    assert digest(HEAD.replace("3", "9") + RATE) == same
    others = [
        digest(HEAD + RATE, manifest="grown"),
        digest(HEAD + "seed = 1\n" + RATE),
        digest(HEAD + "epochs = 2\n" + RATE),
        digest(HEAD + RATE.replace("1e-4", "1e-3")),
    ]
    assert len({same, *others}) == 1 + len(others)
