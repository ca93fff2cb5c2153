"""External names are shown as text on every page: no markup, links, formulas or icons."""

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from euguess.messages.collection import DeadLetter
from euguess.messages.serving import ModelCard
from tests.support.dashboard_services import FakeServices, candidate, model_card
from tests.unit.dashboard.conftest import Draw
from tests.unit.dashboard.held_out_places import services

NASTY = "<b>x</b> **y** [z](http://evil.example) $a$ :material/home: :red[q]"
MARKUP = ("<b>", "**y**", "](http", "http://", "$a$", ":material/home:", ":red[")
WRITTEN = (
    "markdown",
    "caption",
    "title",
    "header",
    "subheader",
    "info",
    "warning",
    "error",
    "success",
)
PAGES = ("overview", "dataset", "training", "results", "models", "play", "predict")


def nasty_card() -> ModelCard:
    card = model_card("FR", "PL")
    countries = tuple(one.model_copy(update={"name": NASTY}) for one in card.countries)
    changes = {"countries": countries, "network": NASTY, "recipe_name": NASTY}
    return card.model_copy(update=changes | {"split_protocol": NASTY})


def nasty_services() -> FakeServices:
    given = services()
    given.card = nasty_card()
    given.troubles = {"store": NASTY}
    given.letters = [DeadLetter(at=datetime.now(UTC), source="trainer", payload="", reason=NASTY)]
    given.versions = [candidate(7, protocol=NASTY, is_honest=False)]
    given.champion_version = "7"
    return given


def written(page: AppTest) -> list[str]:
    return [str(getattr(text, "value", "")) for kind in WRITTEN for text in page.get(kind)]


@pytest.mark.parametrize("view", PAGES)
def test_no_page_draws_a_name_as_markup(draw: Draw, view: str) -> None:
    page = draw(view, nasty_services().connections())
    assert not page.exception
    found = [(text, mark) for text in written(page) for mark in MARKUP if mark in text]
    assert not found


@pytest.mark.parametrize("view", ["overview", "training", "models"])
def test_the_name_itself_is_shown(draw: Draw, view: str) -> None:
    page = draw(view, nasty_services().connections())
    assert [text for text in written(page) if r"\*\*y\*\*" in text]


def test_the_truth_of_a_round_is_shown_as_text(draw: Draw) -> None:
    page = draw("play", nasty_services().connections())
    page.button[0].click().run(timeout=30)
    page.selectbox[0].set_value("FR").run(timeout=30)
    given = next(button for button in page.button if button.label == "Guess")
    page = given.click().run(timeout=30)
    assert page.header[0].value.startswith(r"This is \<b\>x")
