"""Names with markup, as shown by a browser."""

from pathlib import Path

import pytest

from tests.support.browser import opened_browser, wait_for_text, wait_until_drawn
from tests.support.served_dashboard import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(180)]

APP = Path(__file__).with_name("outside_text_app.py")
ELEMENTS = 7
HOSTILE = (
    "<b>x</b> **y** [z](http://evil.example) $a$ :material/home: :red[q] :smile: "
    "https://evil.example/x www.evil.example a@evil.example <script>alert(1)</script>"
)


def test_names_with_markup_are_shown_as_text_by_every_element() -> None:
    with served(APP, HOSTILE) as address, opened_browser() as page:
        page.goto(address)
        wait_for_text(page, "The end")
        wait_until_drawn(page)
        main = page.get_by_test_id("stMain")
        shown = main.inner_text().replace("\N{WORD JOINER}", "")
        assert shown.count(HOSTILE) == ELEMENTS
        assert main.locator("a:not([href^='#']), b, strong, script").count() == 0
        assert main.get_by_test_id("stIconMaterial").count() == 0
