"""A real browser for tests of the dashboard."""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, expect, sync_playwright

from euguess.process.project import project_root
from tests.support.requirements import Requirement, skip_without

SCREENSHOTS = project_root() / "artifacts" / "screenshots"
WAIT_MS = 120_000
DESKTOP, PHONE = (1280, 1700), (390, 1400)
SCRIPT_START_MS = 200  # after a click, before Streamlit marks the page as running
ENDED = "[data-testid=stApp][data-test-script-state=notRunning]"
CHARTS = "[data-testid=stVegaLiteChart] svg"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
)


@contextmanager
def opened_browser() -> Iterator[Page]:
    """Open a page in headless Chromium; skips the test if Chromium is not installed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        skip_without(Requirement.CHROMIUM, "chromium is not on PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        page = browser.new_page(viewport={"width": DESKTOP[0], "height": DESKTOP[1]})
        page.set_default_timeout(WAIT_MS)
        yield page
        browser.close()


def wait_for_text(page: Page, text: str) -> None:
    """Wait until the page contains the text."""
    expect(page.locator("body")).to_contain_text(re.compile(re.escape(text)), timeout=WAIT_MS)


def wait_until_drawn(page: Page) -> None:
    """Wait until Streamlit has finished the script without an exception."""
    page.wait_for_timeout(SCRIPT_START_MS)
    expect(page.locator(ENDED)).to_have_count(1, timeout=WAIT_MS)
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0, timeout=WAIT_MS)
    expect(page.get_by_test_id("stException")).to_have_count(0)


def save_screenshot(page: Page, name: str) -> Path:
    """Save a screenshot to artifacts/screenshots."""
    wait_until_drawn(page)
    path = SCREENSHOTS / f"{name}.png"
    page.screenshot(path=path)
    return path
