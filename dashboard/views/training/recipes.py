"""What a training is started from: the text of a recipe, with changes."""

from pathlib import Path

import tomli_w

from euguess.errors import InvalidRecipe
from euguess.training.overrides import override, parse_table

EXPERIMENTS = Path(__file__).parents[3] / "experiments"
RECIPE_KEYS = ("name", "network", "epochs")  # sweeps and heads, which lie beside, lack some


def shipped_recipes(folder: Path = EXPERIMENTS) -> dict[str, str]:
    """Texts of the recipes in a folder and those below it, by path without the suffix."""
    texts = {path: path.read_text() for path in sorted(folder.rglob("*.toml"))}
    return {
        path.relative_to(folder).with_suffix("").as_posix(): text
        for path, text in texts.items()
        if _is_recipe(text)
    }


def changed(text: str, changes: str) -> str:
    """TOML text with keys set by lines of key=value; comments stay where there are none.

    Raises InvalidRecipe.
    """
    table = parse_table(text)
    lines = [line for line in map(str.strip, changes.splitlines()) if line]
    if not lines:
        return text
    override(table, lines)
    return tomli_w.dumps(table)


def _is_recipe(text: str) -> bool:
    try:
        return all(key in parse_table(text) for key in RECIPE_KEYS)
    except InvalidRecipe:
        return False
