"""Links and downloads of pages in a real browser, over generated services."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from euguess.process.project import project_root
from tests.support.browser import CHARTS, opened_browser, wait_for_text, wait_until_drawn
from tests.support.served_dashboard import served

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

# Streamlit saves tables by a dialog of the system where there is one, which no test can answer.
NO_SAVE_DIALOG = "delete window.showSaveFilePicker"
APP = project_root() / "tests" / "benchmarks" / "generated_dashboard.py"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(APP, "small") as address:
        yield address


@pytest.fixture(scope="module")
def page() -> Iterator[Page]:
    with opened_browser() as page:
        page.add_init_script(NO_SAVE_DIALOG)
        yield page


def opened(page: Page, url: str, text: str) -> str:
    page.goto(url)
    wait_for_text(page, text)
    wait_until_drawn(page)
    return page.url


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("dataset?section=Map&colours=Seen+by+the+champion", "held out: "),
        ("results?run=run-3&results-section=Countries&results-countries=Table", "03:00:00"),
        ("training?run=run-3&run=run-5&training-section=Settings", "settings differ"),
    ],
)
def test_a_link_opens_what_it_was_copied_from(
    page: Page, address: str, link: str, shown: str
) -> None:
    assert opened(page, f"{address}/{link}", "Overview") == f"{address}/{link}"
    boxes = [box.input_value() for box in page.get_by_test_id("stSelectbox").locator("input").all()]
    assert shown in f"{page.get_by_test_id('stMain').inner_text()} {boxes}"


def test_the_address_follows_the_selection(page: Page, address: str) -> None:
    opened(page, f"{address}/dataset", "Places per country")
    page.locator("button", has_text="Gallery").first.click()
    wait_for_text(page, "Headings")
    assert page.url == f"{address}/dataset?section=Gallery"


def test_a_chart_can_be_downloaded(page: Page, address: str) -> None:
    opened(page, f"{address}/training", "Log loss")
    expect(page.locator(CHARTS).first).to_be_visible()
    page.get_by_test_id("stVegaLiteChart").first.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").first.click()
    assert download.value.path().stat().st_size > 1000


def test_a_table_can_be_downloaded(page: Page, address: str) -> None:
    opened(page, f"{address}/results?results-section=Countries&results-countries=Table", "Recall:")
    page.get_by_test_id("stDataFrame").first.hover()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").first.click()
    assert "Luxembourg" in download.value.path().read_text()


def test_the_map_has_a_legend_of_its_countries(page: Page, address: str) -> None:
    opened(page, f"{address}/dataset?section=Map", "places have coordinates")
    legend = page.get_by_test_id("stHtml")
    expect(legend).to_contain_text("France 40")
    dots = legend.locator("b")
    colours = dots.evaluate_all("dots => dots.map(dot => getComputedStyle(dot).color)")
    assert len(set(colours)) == 2
