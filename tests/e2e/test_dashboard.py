"""The dashboard in a real browser, beside the running stack."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from tests.e2e.running import PROJECT_ROOT, DemoStack

pytestmark = [pytest.mark.timeout(1200), pytest.mark.browser]

SCREENSHOTS = PROJECT_ROOT / "artifacts" / "screenshots"
WAIT_SECONDS = 60
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    driver, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    if driver is None or chromium is None:
        pytest.skip("chromium and chromedriver are not on PATH")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in (*FLAGS, "--window-size=1280,1700"):
        options.add_argument(flag)
    chrome = webdriver.Chrome(options, webdriver.ChromeService(driver))
    yield chrome
    chrome.quit()


def page_text(browser: webdriver.Chrome) -> str:
    return browser.find_element(By.TAG_NAME, "body").text


def open_dashboard(browser: webdriver.Chrome, stack: DemoStack) -> None:
    browser.get(f"http://127.0.0.1:{stack.port_base}")
    WebDriverWait(browser, WAIT_SECONDS).until(lambda b: "Champion" in page_text(b))
    WebDriverWait(browser, WAIT_SECONDS).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, "[data-testid=stVegaLiteChart] svg")) >= 2
    )


def save_screenshot(browser: webdriver.Chrome, name: str) -> Path:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    path = SCREENSHOTS / name
    assert browser.save_screenshot(str(path))
    return path


def test_the_page_shows_the_counts_and_the_champion(
    browser: webdriver.Chrome, demo_stack: DemoStack
) -> None:
    open_dashboard(browser, demo_stack)
    text = page_text(browser)
    save_screenshot(browser, "dashboard.png")
    for expected in ("Requested", "Stored", "No coverage", "Failed", "Pending", "location split"):
        assert expected in text
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-testid=stException]")


def open_page(browser: webdriver.Chrome, stack: DemoStack, name: str, expected: str) -> None:
    browser.get(f"http://127.0.0.1:{stack.port_base}/{name}")
    wait_for(browser, expected)


def wait_for(browser: webdriver.Chrome, text: str) -> None:
    WebDriverWait(browser, WAIT_SECONDS).until(lambda b: text in page_text(b))


def press(browser: webdriver.Chrome, label: str) -> None:
    """Click a button once it is there and enabled."""
    path = f"//button[not(@disabled) and contains(., '{label}')]"
    WebDriverWait(browser, WAIT_SECONDS).until(lambda b: b.find_elements(By.XPATH, path))
    browser.find_element(By.XPATH, path).click()


def test_the_dataset_page_shows_balance_and_gallery(
    browser: webdriver.Chrome, demo_stack: DemoStack
) -> None:
    open_page(browser, demo_stack, "dataset", "Places per country")
    save_screenshot(browser, "dashboard-dataset.png")
    press(browser, "Gallery")
    WebDriverWait(browser, WAIT_SECONDS).until(
        lambda b: len(b.find_elements(By.CSS_SELECTOR, "[data-testid=stImage] img")) >= 3
    )
    save_screenshot(browser, "dashboard-gallery.png")
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-testid=stException]")


def test_a_round_of_the_game_is_played_by_keys_against_the_served_model(
    browser: webdriver.Chrome, demo_stack: DemoStack
) -> None:
    open_page(browser, demo_stack, "play", "Your name")
    press(browser, "Start")
    wait_for(browser, "Round 1 of 10")
    choice = WebDriverWait(browser, WAIT_SECONDS).until(
        lambda b: b.find_element(By.CSS_SELECTOR, "[data-testid=stSelectbox] input")
    )
    save_screenshot(browser, "dashboard-play.png")
    choice.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
    press(browser, "Guess")
    wait_for(browser, "This is ")
    save_screenshot(browser, "dashboard-truth.png")
    assert "The model:" in page_text(browser)
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-testid=stException]")


def test_the_results_page_shows_the_champions_run_beside_the_study(
    browser: webdriver.Chrome, demo_stack: DemoStack
) -> None:
    open_page(browser, demo_stack, "results", "The study's Table 2")
    save_screenshot(browser, "dashboard-results.png")
    press(browser, "Countries")
    wait_for(browser, "Single photos of the test part")
    assert not browser.find_elements(By.CSS_SELECTOR, "[data-testid=stException]")
