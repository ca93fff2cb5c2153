"""Recipes that reproduce the study, and recipes that remove its faults."""

from pathlib import Path
from typing import Any

import pytest

from euguess.process.project import project_root
from euguess.training.recipes.recipe import NO_WEIGHTS, Recipe, read_recipe
from euguess.training.recipes.sections import Faults
from euguess.training.study_facts import FIGURE_RUNS, TUNING
from services.trainer.runs.experiment import flat

FOLDER = project_root() / "experiments"
RECIPES = sorted([*FOLDER.glob("study/*.toml"), *FOLDER.glob("fixed/*.toml")])
BEST = read_recipe(FOLDER / "study" / "table2-googlenet.toml")
HONEST_SPLIT = {"split.protocol": "location"}
ALL_REMOVED: dict[str, Any] = {f"faults.{name}": False for name in Faults.model_fields}
ALL_REMOVED |= HONEST_SPLIT
REMOVED: dict[str, dict[str, Any]] = {
    "train-mode": {"faults.eval_mode_while_training": False},
    "countries-head": {"faults.keeps_imagenet_head": False},
    "shuffling": {"faults.no_shuffling": False},
    "validation": {"faults.no_validation": False},
    "right-average": {"faults.mean_of_batches": False},
    "location-split": HONEST_SPLIT,
    "all": ALL_REMOVED,
    "one-view": ALL_REMOVED | {"views": 1},
}
BEFORE_TUNING = read_recipe(FOLDER / "study" / "table2-googlenet-before-tuning.toml")
TUNED: dict[str, dict[str, Any]] = {
    "pixels-128": {"image_size": 128},
    "adam": {
        "optimizer.name": "adam",
        "optimizer.learning_rate": 0.0005,
        "optimizer.weight_decay": 1e-4,
    },
    "restarts": {"schedule.t_mult": 2, "schedule.eta_min": 0.01},
    "constant-rate": {"schedule.name": "none", "schedule.eta_min": 0.0},
}


def facts(recipe: Recipe) -> dict[str, Any]:
    return flat(recipe.model_dump(mode="json", exclude={"name"}))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_recipes_are_valid_named_by_their_file_and_run_without_internet(path: Path) -> None:
    recipe = read_recipe(path)
    assert recipe.name == f"{path.parent.name}-{path.stem}"
    assert read_recipe(path, ["weights=none"]).weights == NO_WEIGHTS
    assert "The study" in path.read_text() or "the study" in path.read_text()


def test_the_best_run_has_all_faults_and_the_leaky_split() -> None:
    assert BEST.faults.names == tuple(Faults.model_fields)
    assert BEST.split.protocol == "image"
    assert (BEST.batch_size, BEST.epochs, BEST.views, BEST.image_size) == (1000, 20, 3, 64)
    assert BEST.schedule.eta_min > BEST.optimizer.learning_rate


def test_each_fault_is_removed_by_one_recipe() -> None:
    assert {path.stem for path in FOLDER.glob("fixed/*.toml")} == set(REMOVED)


def test_each_tuning_recipe_changes_one_thing_of_the_run_before_tuning() -> None:
    before = facts(BEFORE_TUNING)
    for stem, changed in TUNED.items():
        tuned = facts(read_recipe(FOLDER / "study" / f"tuning-{stem}.toml"))
        assert {key: tuned[key] for key in tuned if tuned[key] != before[key]} == changed
    assert {f"study/tuning-{stem}" for stem in TUNED} == {one.recipe for one in TUNING}


@pytest.mark.parametrize("stem", REMOVED)
def test_a_fixed_recipe_differs_only_in_the_fault_it_removes(stem: str) -> None:
    fixed, faulty = facts(read_recipe(FOLDER / "fixed" / f"{stem}.toml")), facts(BEST)
    assert {key: fixed[key] for key in fixed if fixed[key] != faulty[key]} == REMOVED[stem]


def test_tables_3_and_4_use_one_heading_or_a_third_of_the_places() -> None:
    for network in ("googlenet", "resnet50", "efficientnet_b4"):
        one, third = (read_recipe(FOLDER / "study" / f"table{n}-{network}.toml") for n in (3, 4))
        assert (one.views, one.subset.share) == (1, 1.0)
        assert (third.views, third.subset.share) == (3, 0.3333)
        assert (one.batch_size, third.batch_size) == (200, 200)
        changed = {key for key, value in facts(one).items() if facts(third)[key] != value}
        assert changed == {"views", "subset.share"}


def test_figures_6_to_8_compare_networks_that_were_trained_alike() -> None:
    compared = [read_recipe(FOLDER / f"{stem}.toml") for stem in FIGURE_RUNS]
    assert {(one.epochs, one.batch_size, one.views) for one in compared} == {(10, 1000, 3)}
    assert len({one.network for one in compared}) == len(compared)
