"""The page docs/reference/recipe.md has every key of a recipe, with its default."""

import json
import re

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from euguess.process.project import project_root
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe
from euguess.training.recipes.recipe import Recipe

ROW = re.compile(r"^\| `([a-z_0-9.]+)` \| (?:`(.+?)`|(required)) \| (.+?) \|$", re.M)


def keys(section: type[BaseModel], prefix: str = "") -> dict[str, FieldInfo]:
    """Return every key that holds a value, by its dotted name."""
    found: dict[str, FieldInfo] = {}
    for name, field in section.model_fields.items():
        is_section = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
        if is_section:
            assert isinstance(field.annotation, type)
            found |= keys(field.annotation, f"{prefix}{name}.")
        else:
            found[prefix + name] = field
    return found


def default_of(field: FieldInfo) -> object:
    if field.is_required():
        return "required"
    return json.loads(json.dumps(field.get_default(call_default_factory=True)))


def documented(part: int) -> dict[str, object]:
    """Return the keys of a network (part 0) or of a head (part 1) with their defaults."""
    page = (project_root() / "docs" / "reference" / "recipe.md").read_text()
    text = page.split("## Keys of a head")[part]
    return {
        key: required or json.loads(default)
        for key, default, required, meaning in ROW.findall(text)
        if meaning
    }


def test_every_key_of_a_recipe_is_documented_with_its_default() -> None:
    assert documented(0) == {name: default_of(field) for name, field in keys(Recipe).items()}


def test_every_key_of_a_head_is_documented_with_its_default() -> None:
    head = keys(HeadRecipe)
    del head["backbones"]
    head |= {f"backbones.{name}": field for name, field in keys(Backbone).items()}
    assert documented(1) == {name: default_of(field) for name, field in head.items()}
