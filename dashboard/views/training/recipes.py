"""The recipes to start a run from: shipped files, with overrides."""

from pathlib import Path

import tomli_w

from euguess.errors import InvalidRecipe
from euguess.training.overrides import override, parse_table
from euguess.training.recipes.read import parse_any_recipe

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
# Keys of a network to train, and of a head; sweep files in the same folder lack some of these.
KINDS = (("name", "network", "epochs"), ("name", "backbones"))


def shipped_recipes(folder: Path = EXPERIMENTS) -> dict[str, str]:
    """Return the recipes below a folder as text, by path without the suffix."""
    texts = {path: path.read_text() for path in sorted(folder.rglob("*.toml"))}
    return {
        path.relative_to(folder).with_suffix("").as_posix(): text
        for path, text in texts.items()
        if _is_recipe(text)
    }


def with_overrides(text: str, changes: str) -> str:
    """Return a recipe with keys set from lines of key=value. Comments are kept if there are none.

    Raises InvalidRecipe.
    """
    table = parse_table(text)
    lines = [line for line in map(str.strip, changes.splitlines()) if line]
    override(table, lines)
    recipe = tomli_w.dumps(table) if lines else text
    parse_any_recipe(recipe)  # by the trainer's rules, so that a typo is refused here
    return recipe


def _is_recipe(text: str) -> bool:
    try:
        table = parse_table(text)
    except InvalidRecipe:
        return False
    return any(all(key in table for key in keys) for keys in KINDS)
