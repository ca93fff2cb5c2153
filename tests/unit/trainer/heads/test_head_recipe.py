"""Recipes of heads: those that come with the project, and wrong ones."""

from pathlib import Path

import pytest

from euguess.errors import InvalidRecipe
from services.trainer.heads.recipe import read_head_recipe
from services.trainer.real_results.measure import read_recipes
from services.trainer.recipes.recipe import read_recipe

EXPERIMENTS = Path(__file__).resolve().parents[4] / "experiments"
OWN = sorted([*EXPERIMENTS.glob("heads/*.toml"), *EXPERIMENTS.glob("results/heads/*.toml")])
TINY = 'name = "tiny"\n[[backbones]]\nnetwork = "smallnet"\n'


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_each_recipe_of_the_project_is_valid_and_has_its_files_name(path: Path) -> None:
    recipe = read_head_recipe(path)
    assert recipe.name == path.stem
    assert recipe.split.protocol == "location"


def test_all_measured_recipes_split_alike() -> None:
    folder = EXPERIMENTS / "results"
    trained = {read_recipe(path).split for path in folder.glob("*.toml")}
    heads = {read_head_recipe(path).split for path in folder.glob("heads/*.toml")}
    assert len(trained | heads) == 1


def test_heads_whose_weights_are_missing_are_left_out_with_their_names(tmp_path: Path) -> None:
    recipes = read_recipes(EXPERIMENTS / "results", tmp_path)
    assert recipes.heads == ()
    assert len(recipes.trained) == 2
    assert any("efficientnet_lite0_imagenet.safetensors" in why for why in recipes.left_out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "tiny"', "backbones"),
        (TINY + "[head]\nregularisation = [0.0]", "above 0"),
        (TINY + '[head]\npooling = "maximum"', "head.pooling"),
        (TINY + '[head]\npooling = "attention"\nmodel = "least-squares"', "model logistic"),
        (TINY + "[head]\ncolour = 1", "head.colour"),
        ("name =", "not TOML"),
    ],
)
def test_a_wrong_recipe_is_refused_in_words(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "head.toml"
    path.write_text(text)
    with pytest.raises(InvalidRecipe, match=said):
        read_head_recipe(path)


def test_weights_files_are_looked_for_in_the_given_folder(tmp_path: Path) -> None:
    path = tmp_path / "head.toml"
    path.write_text(TINY + 'weights = "small.safetensors"\n')
    (backbone,) = read_head_recipe(path).with_weights_in(Path("there")).backbones
    assert backbone.weights == "there/small.safetensors"
    path.write_text(TINY)
    assert read_head_recipe(path).with_weights_in(Path("there")) == read_head_recipe(path)
