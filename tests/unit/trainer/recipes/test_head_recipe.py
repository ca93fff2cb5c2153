"""Head recipes: those shipped with the project, and invalid ones."""

from pathlib import Path

import pytest

from euguess.errors import InvalidRecipe
from euguess.training.recipes.head_recipe import HeadOptions, read_head_recipe
from euguess.training.recipes.recipe import read_recipe
from services.trainer.real_results.measure import read_recipes

EXPERIMENTS = Path(__file__).resolve().parents[4] / "experiments"
OWN = sorted(EXPERIMENTS.glob("heads/*.toml"))
OWN += sorted(EXPERIMENTS.glob("results/heads/*.toml"))
OWN += sorted(EXPERIMENTS.glob("results/across/*.toml"))
TINY = 'name = "tiny"\n[[backbones]]\nnetwork = "smallnet"\n'


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_each_shipped_head_recipe_is_valid_and_named_by_its_file(path: Path) -> None:
    recipe = read_head_recipe(path)
    assert recipe.name == path.stem
    assert recipe.split.protocol == "location"


def test_all_measured_recipes_use_the_same_split() -> None:
    folder = EXPERIMENTS / "results"
    trained = {read_recipe(path).split for path in folder.glob("*.toml")}
    heads = {read_head_recipe(path).split for path in folder.glob("*/*.toml")}
    assert len(trained | heads) == 1


def test_the_default_regularisations_reach_decades_beyond_what_real_photos_choose() -> None:
    """On real photos, values between 3 and 1,000 have the lowest held-out loss."""
    tried = HeadOptions().regularisation
    assert min(tried) <= 3 / 100
    assert max(tried) >= 1_000 * 100
    assert list(tried) == sorted(set(tried))


def test_heads_with_missing_weights_are_skipped_and_named(tmp_path: Path) -> None:
    recipes = read_recipes(EXPERIMENTS / "results", tmp_path)
    assert recipes.heads == ()
    assert len(recipes.trained) == 2
    assert any("efficientnet_lite0_imagenet.safetensors" in why for why in recipes.left_out)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('name = "tiny"', "backbones"),
        (TINY + "[head]\nregularisation = [0.0]", "above 0"),
        (TINY + '[head]\npooling = "attention"', "head: pooling was removed"),
        (TINY + '[head]\npooling = "mean-embedding"', "delete the line"),
        (TINY + "[head]\ncolour = 1", "head.colour"),
        ("name =", "not TOML"),
    ],
)
def test_an_invalid_recipe_is_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "head.toml"
    path.write_text(text)
    with pytest.raises(InvalidRecipe, match=said):
        read_head_recipe(path)


def test_weights_files_are_resolved_against_the_given_folder(tmp_path: Path) -> None:
    path = tmp_path / "head.toml"
    path.write_text(TINY + 'weights = "small.safetensors"\n')
    (backbone,) = read_head_recipe(path).with_weights_in(Path("there")).backbones
    assert backbone.weights == "there/small.safetensors"
    path.write_text(TINY)
    assert read_head_recipe(path).with_weights_in(Path("there")) == read_head_recipe(path)
