"""The reference page of the recipe keys."""

from docs.tools.fields import default_text, leaves
from docs.tools.markdown import code, page, table
from services.trainer.recipes.recipe import Recipe

INTRODUCTION = """\
A recipe is a TOML file that describes a training run. Only `name`, `network` and `epochs` are
required. Unknown keys and impossible values are refused with a sentence that names them.
[Choose a recipe](../how-to/choose-a-recipe.md) explains networks and weights, and how to change a
key for one run.

There is no horizontal flip, on purpose: it would hide on which side people drive, and mirror every
sign. A run with any of the `faults` is never called honest and never promoted."""


def render() -> str:
    """Return the page."""
    rows = (
        (code(name), default_text(field), field.description or "") for name, field in leaves(Recipe)
    )
    return page("Recipe keys", INTRODUCTION, table(("key", "default", "description"), rows))
