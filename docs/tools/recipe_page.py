"""The reference page of the recipe keys."""

from docs.tools.fields import default_text, leaves
from docs.tools.markdown import code, page, table
from services.trainer.recipes.recipe import Recipe

INTRODUCTION = """\
A recipe is a TOML file that describes a training run. Only `name`, `network` and `epochs` are
required. Unknown keys and invalid values are rejected with an error that names them.
[Choose a recipe](../how-to/choose-a-recipe.md) explains networks and weights, and how to change a
key for one run.

There is deliberately no horizontal flip: it would hide on which side people drive, and mirror every
sign. A run with any of the `faults` is never called honest, and the gate does not promote it."""


def render() -> str:
    """Return the page."""
    rows = (
        (code(name), default_text(field), field.description or "") for name, field in leaves(Recipe)
    )
    return page("Recipe keys", INTRODUCTION, table(("key", "default", "description"), rows))
