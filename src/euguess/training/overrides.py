"""Overrides of a recipe, written as key=value; the trainer validates the result."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from euguess.errors import InvalidRecipe

MAX_KEY_PARTS = 16
# The time that tomllib takes grows with the square of a key's parts, so they are counted first.
# A longer part or gap ends the count, which bounds the time of the search; few of those fit in.
_PART = r"""(?:[A-Za-z0-9_-]{1,99}|"(?:[^"\\\n]|\\.){0,99}"|'[^'\n]{0,99}')"""
_DOT = r"[ \t]{0,9}\.[ \t]{0,9}"
_DEEP_KEY = re.compile(rf"(?<![A-Za-z0-9_-]){_PART}(?:{_DOT}{_PART}){{{MAX_KEY_PARTS}}}")


def parse_table(text: str) -> dict[str, Any]:
    """Parse TOML text. Raises InvalidRecipe if it is not valid TOML, or nested too deeply."""
    if _DEEP_KEY.search(text):
        raise InvalidRecipe(f"This is not a recipe: a key has more than {MAX_KEY_PARTS} parts.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRecipe(f"This is not TOML: {error}.") from None
    except RecursionError:
        raise InvalidRecipe("This is not a recipe: it is nested too deeply.") from None
    except ValueError:  # Python's limit for integers
        raise InvalidRecipe("This is not a recipe: a number has too many digits.") from None


def override(table: dict[str, Any], changes: Iterable[str]) -> None:
    """Set keys of a table in place, from texts such as "epochs=3", "optimizer.name=sgd" or,
    for a list of tables, "backbones.0.image_size=128".

    Raises InvalidRecipe with the first invalid override.
    """
    for change in changes:
        _set(table, change)


def _set(table: dict[str, Any], change: str) -> None:
    path, has_value, text = change.partition("=")
    *sections, key = path.strip().split(".")
    if not has_value or not key:
        raise InvalidRecipe(f"{change}: write it as key=value, for example epochs=3.")
    found: Any = table
    for section in sections:
        found = _inner(found, section, change)
    if not isinstance(found, dict):
        raise InvalidRecipe(f"{change}: {path.rpartition('.')[0]} is a list of tables; add a key.")
    found[key] = _value(text.strip())


def _inner(table: dict[str, Any] | list[Any], section: str, change: str) -> Any:
    """Return a table inside of a table, or the nth (from 0) of a list of tables."""
    if isinstance(table, list):
        inner = table[int(section)] if section.isdigit() and int(section) < len(table) else None
    else:
        inner = table.setdefault(section, {})
    if not isinstance(inner, dict | list):
        raise InvalidRecipe(f"{change}: {section} is a value, not a table.")
    return inner


def _value(text: str) -> Any:
    """Parse a TOML value; other text is a string, so that words need no quotes."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
