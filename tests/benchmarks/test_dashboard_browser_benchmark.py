"""Seconds until a page of the dashboard is drawn in a browser, at the study's full size.

Run with `pytest tests/benchmarks/test_dashboard_browser_benchmark.py -m benchmark -s`. A first
paint is timed in a new browser context (with an empty cache) from the navigation until the page
shows its last text and Streamlit has finished the script; an interaction is timed from the click.
Later drawing is printed as the time until the browser is idle: without a GPU, as here, compiling
the shaders of a map takes seconds.
The server has served each page once before, as after an earlier visitor. The baseline is a
Streamlit page with only a title.
"""

import statistics
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.support.browser import DESKTOP, WAIT_MS, opened_browser
from tests.support.served_dashboard import served

pytestmark = [pytest.mark.benchmark, pytest.mark.timeout(900)]

APP = Path(__file__).with_name("generated_dashboard.py")
PAINT_SECONDS, INTERACTION_SECONDS = 2.0, 1.0
REPEATS = 5
PAGES = {
    "overview": "Failed jobs",
    "dataset": "Places per country",
    "predict": "photos of one place",
    "training": "Log loss",
    "results": "Table 2",
    "models": "Audit log",
    "play": "Your name",
}
SECTIONS = {
    "dataset": {
        "Issues": "Data quality",
        "Export": "One row per view",
        "Map": "have coordinates",
        "Balance": "Places per country",
    },
    "training": {"Test": "Test accuracy", "Settings": "settings differ", "Curves": "Log loss"},
    "results": {
        "Honesty": "The same recipes tested by image and by place",
        "Countries": "Display as",
        "Views": "One view versus three",
        "Calibration": "Reliability",
        "Study": "Table 2",
    },
}
DRAWN = """text => document.body.textContent.includes(text)
    && document.querySelector("[data-testid=stApp][data-test-script-state=notRunning]")
    && !document.querySelector("[data-testid=stSkeleton]")"""

IDLE = """() => new Promise(done => {
    let last = performance.now(), quick = 0;
    const frame = now => {
        quick = now - last < 50 ? quick + 1 : 0;
        last = now;
        quick < 5 ? requestAnimationFrame(frame) : done();
    };
    requestAnimationFrame(frame);
})"""


def dashboard(size: str) -> AbstractContextManager[str]:
    """Serve a dashboard over generated services and return its address."""
    return served(APP, size)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as page:
        assert page.context.browser is not None
        yield page.context.browser


def first_paint(browser: Browser, url: str, text: str) -> float:
    """Return seconds until the page is drawn."""
    with browser.new_context(viewport={"width": DESKTOP[0], "height": 900}) as context:
        page = context.new_page()
        start = time.perf_counter()
        page.goto(url, wait_until="commit")
        page.wait_for_function(DRAWN, arg=text, timeout=WAIT_MS)
        return time.perf_counter() - start


def chosen(page: Page, section: str, text: str) -> tuple[float, float]:
    """Return seconds until the section is drawn, and until the browser is idle."""
    button = page.locator("button", has_text=section).first
    start = time.perf_counter()
    button.click()
    page.wait_for_function(DRAWN, arg=text, timeout=WAIT_MS)
    drawn = time.perf_counter() - start
    page.evaluate(IDLE)
    return drawn, time.perf_counter() - start


def url_of(address: str, name: str) -> str:
    return address if name == "overview" else f"{address}/{name}"


def test_first_paints_in_a_browser_at_full_size(browser: Browser) -> None:
    with dashboard("full") as full, dashboard("blank") as blank:
        slow = {}
        for name, text in PAGES.items():
            first_paint(browser, url_of(full, name), text)
            rounds = [
                (
                    first_paint(browser, url_of(full, name), text),
                    first_paint(browser, blank, "Blank"),
                )
                for _ in range(REPEATS)
            ]
            slow[name], bare = (statistics.median(times) for times in zip(*rounds, strict=True))
            ratio = statistics.median(one / other for one, other in rounds)
            print(f"\n{name}: {slow[name]:.2f} s, a blank page {bare:.2f} s, {ratio:.1f} x")
    assert all(seconds < PAINT_SECONDS for seconds in slow.values()), slow


@pytest.mark.parametrize("name", SECTIONS)
def test_interactions_in_a_browser_at_full_size(browser: Browser, name: str) -> None:
    with dashboard("full") as address, browser.new_context() as context:
        page = context.new_page()
        page.goto(url_of(address, name))
        page.wait_for_function(DRAWN, arg=PAGES[name], timeout=WAIT_MS)
        rounds = [
            {section: chosen(page, section, text) for section, text in SECTIONS[name].items()}
            for _ in range(REPEATS)
        ]
    medians = {}
    for section in SECTIONS[name]:
        drawn, idle = zip(*(one[section] for one in rounds), strict=True)
        medians[section], rest = statistics.median(drawn), statistics.median(idle)
        print(
            f"\n{name}, {section}: {medians[section]:.2f} s, slowest {max(drawn):.2f} s; "
            f"idle after {rest:.2f} s"
        )
    assert all(seconds < INTERACTION_SECONDS for seconds in medians.values())


def test_the_start_of_a_game_in_a_browser_at_full_size(browser: Browser) -> None:
    times = []
    with dashboard("full") as address:
        for _ in range(REPEATS + 1):
            with browser.new_context() as context:
                page = context.new_page()
                page.goto(url_of(address, "play"))
                page.wait_for_function(DRAWN, arg=PAGES["play"], timeout=WAIT_MS)
                times.append(chosen(page, "Start", "Round 1 of")[0])
    median = statistics.median(times[1:])
    print(f"\nplay, start: {median:.2f} s; before anything is kept {times[0]:.2f} s")
    assert median < INTERACTION_SECONDS
