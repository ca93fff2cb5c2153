"""Read recipes of both kinds: of a network to train, and of a head, which lists backbones."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from euguess.training.overrides import override, parse_table
from euguess.training.recipes.files import read_with
from euguess.training.recipes.head_recipe import HeadRecipe, validated_head
from euguess.training.recipes.recipe import Recipe, validated

AnyRecipe = Recipe | HeadRecipe
BACKBONES = "backbones"


def read_any_recipe(path: Path, overrides: Sequence[str] = ()) -> AnyRecipe:
    """Read a recipe from a TOML file; see parse_any_recipe. Raises InvalidRecipe."""
    return read_with(partial(parse_any_recipe, overrides=overrides), path)


def parse_any_recipe(text: str, overrides: Sequence[str] = ()) -> AnyRecipe:
    """Parse a recipe from TOML; overrides are like "seed=3" or "backbones.0.image_size=128".

    Raises InvalidRecipe.
    """
    table = parse_table(text)
    override(table, overrides)
    return validated_head(table) if BACKBONES in table else validated(table)
