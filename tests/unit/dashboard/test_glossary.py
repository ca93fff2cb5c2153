"""Tooltips explain terms in the words of the documentation, where a page first uses them."""

import pytest

from dashboard.glossary import TERMS, explain
from euguess.process.project import project_root
from tests.support.dashboard_services import FakeServices, model_card
from tests.support.generated_services import SMALL, services
from tests.unit.dashboard.conftest import Draw

GLOSSARY = project_root() / "docs" / "reference" / "glossary.md"


@pytest.mark.parametrize("term", TERMS)
def test_a_tooltip_says_what_the_glossary_says(term: str) -> None:
    entries = " ".join(GLOSSARY.read_text().split())
    assert f"{term} : {TERMS[term].removesuffix('.')}" in entries


def test_the_overview_explains_champion_view_and_split(draw: Draw) -> None:
    page = draw("overview", FakeServices(card=model_card("FR", "PL")).connections())
    assert page.header[0].help == explain("champion")
    fused = next(m for m in page.metric if m.label == "Accuracy, all views fused")
    assert explain("view", "fused") in fused.help
    text = next(m for m in page.markdown if "honest" in m.value)
    assert text.help == explain("honest", "split")


def test_the_results_explain_leaky_and_honest_tests(draw: Draw) -> None:
    page = draw("results", services(SMALL).connections())
    assert not page.exception
    assert any(c.help == explain("split", "honest", "leaky") for c in page.caption)
