"""The reference page of the recipe keys."""

from collections.abc import Iterable

from pydantic.fields import FieldInfo

from docs.tools.fields import default_text, leaves
from docs.tools.markdown import code, page, table
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe
from euguess.training.recipes.recipe import Recipe

INTRODUCTION = """\
A recipe is a TOML file that describes a training run: of a network, or of a head on frozen
backbones (below). Only `name`, `network` and `epochs` are required. Unknown keys and invalid values
are rejected with an error that names them.
[Choose a recipe](../how-to/choose-a-recipe.md) explains networks and weights, and how to change a
key for one run.

There is deliberately no horizontal flip: it would hide on which side people drive, and mirror every
sign. A run with any of the `faults` is never called honest, and the gate does not promote it."""


HEAD = """## Keys of a head

A recipe with one or more tables `[[backbones]]` fits a linear head on the features of these
networks, which are not trained. A place's prediction is the mean of its views'
log-probabilities."""


def render() -> str:
    """Return the page."""
    inside = [(f"backbones.{name}", field) for name, field in leaves(Backbone)]
    head = [*inside, *((name, field) for name, field in leaves(HeadRecipe) if name != "backbones")]
    return "\n\n".join(
        (page("Recipe keys", INTRODUCTION, _table(leaves(Recipe))).rstrip(), HEAD, _table(head))
    )


def _table(fields: Iterable[tuple[str, FieldInfo]]) -> str:
    rows = ((code(name), default_text(field), field.description or "") for name, field in fields)
    return table(("key", "default", "description"), rows)
