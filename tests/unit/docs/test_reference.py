"""The generated reference pages are what the code gives now."""

import pytest

from docs.tools.fields import leaves
from docs.tools.reference import FOLDER, PAGES
from docs.tools.settings_page import classes
from euguess.training.recipes.recipe import Recipe


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    assert (FOLDER / name).read_text() == PAGES[name](), "run `make docs-reference`"


def test_every_setting_is_described() -> None:
    fields = [(cls, name, field) for cls in classes() for name, field in cls.model_fields.items()]
    assert [f"{cls.__name__}.{name}" for cls, name, field in fields if not field.description] == []


def test_every_recipe_key_is_described() -> None:
    assert [name for name, field in leaves(Recipe) if not field.description] == []


def test_commands_of_the_trainer_show_their_own_options() -> None:
    text = (FOLDER / "cli.md").read_text().partition("### `euguess train`")[2]
    assert "`--recipe <path>`" in text.partition("### `euguess evaluate`")[0]
