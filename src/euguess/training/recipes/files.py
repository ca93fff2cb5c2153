"""Read a recipe's file."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from euguess.errors import InvalidRecipe

Parsed = TypeVar("Parsed")


def read_with(parse: Callable[[str], Parsed], path: Path) -> Parsed:
    """Return what a parser of TOML text makes of a file. Raises InvalidRecipe, with the path."""
    try:
        return parse(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a text file"
        raise InvalidRecipe(f"Could not read the recipe {path}: {reason}.") from None
    except InvalidRecipe as error:
        raise InvalidRecipe(f"{path}: {error}") from None
