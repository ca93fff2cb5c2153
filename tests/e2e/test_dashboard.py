"""Each page of the dashboard in a real browser, on a running stack."""

import contextlib
import io
import math
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from dashboard.charts.maps import CENTRE, CHOICE_ZOOM
from dashboard.charts.order import centres
from euguess.geography.countries import country
from euguess.geography.locations import Coordinate
from services.inference.golden import golden_photo
from tests.e2e.running import DemoStack
from tests.support.browser import (
    CHARTS,
    DESKTOP,
    PHONE,
    WAIT_MS,
    save_screenshot,
    wait_for_text,
    wait_until_drawn,
)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.browser]

# The last text that each page draws after the demonstration.
PAGES = {
    "overview": "Champion",
    "dataset": "Places per country",
    "predict": "photos of one place",
    "training": "Log loss",
    "results": "Table 2",
    "reports": "No reports yet",
    "models": "Audit log",
    "play": "Your name",
}

CLICK_MS = 10_000  # without a GPU the map may need seconds for a click
MAP_MS = 300_000
MAP_CENTRE = Coordinate(CENTRE["latitude"], CENTRE["longitude"])


def open_page(page: Page, stack: DemoStack, name: str) -> None:
    path = "" if name == "overview" else name  # the first page has no path of its own
    page.goto(f"http://127.0.0.1:{stack.port_base}/{path}")
    wait_for_text(page, PAGES[name])
    wait_until_drawn(page)


def press(page: Page, label: str) -> None:
    """Click a button as soon as it is enabled."""
    page.get_by_role("button", name=label).first.click()


def choose(page: Page, label: str) -> None:
    """Click a button of a segmented control."""
    page.locator("button", has_text=label).first.click()


def test_the_overview_shows_the_counts_and_the_champion(page: Page, demo_stack: DemoStack) -> None:
    page.goto(f"http://127.0.0.1:{demo_stack.port_base}")
    for expected in ("Requested", "Stored", "No coverage", "Failed", "Pending", "location split"):
        wait_for_text(page, expected)
    expect(page.locator(CHARTS).nth(1)).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, "dashboard")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", PAGES)
def test_each_page_is_drawn_in_light_and_dark(
    page: Page, demo_stack: DemoStack, name: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    open_page(page, demo_stack, name)
    save_screenshot(page, f"dashboard-{name}-{scheme}")
    page.emulate_media(color_scheme="light")


@pytest.mark.parametrize("name", PAGES)
def test_no_page_is_wider_than_a_phone(page: Page, demo_stack: DemoStack, name: str) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    try:
        open_page(page, demo_stack, name)
        save_screenshot(page, f"dashboard-{name}-phone")
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth") <= PHONE[0]
    finally:
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})


def test_the_gallery_shows_photos(page: Page, demo_stack: DemoStack) -> None:
    open_page(page, demo_stack, "dataset")
    choose(page, "Gallery")
    expect(page.locator("[data-testid=stImage] img").nth(2)).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, "dashboard-gallery")


def test_the_gallery_shows_three_views_of_places_by_country_and_heading(
    page: Page, demo_stack: DemoStack
) -> None:
    open_page(page, demo_stack, "dataset")
    choose(page, "Gallery")
    main, pictures = page.get_by_test_id("stMain"), page.locator("[data-testid=stImage] img")
    expect(pictures).to_have_count(4 * 3, timeout=WAIT_MS)
    expect(main).to_contain_text("EUGuess simulator")
    page.locator("button", has_text="120°").first.click()
    expect(pictures).to_have_count(4 * 2, timeout=WAIT_MS)
    first = pictures.first.get_attribute("src")
    country = page.get_by_test_id("stSelectbox").locator("input").last
    country.fill("Sweden")
    country.press("Enter")
    expect(pictures.first).not_to_have_attribute("src", str(first), timeout=WAIT_MS)
    save_screenshot(page, "dashboard-gallery-sweden")


@pytest.mark.parametrize(("kind", "read"), [("CSV", pd.read_csv), ("Parquet", pd.read_parquet)])
def test_the_manifest_can_be_downloaded(
    page: Page,
    demo_stack: DemoStack,
    tmp_path: Path,
    kind: str,
    read: Callable[[Path], pd.DataFrame],
) -> None:
    open_page(page, demo_stack, "dataset")
    choose(page, "Export")
    with page.expect_download() as download:
        press(page, f"Manifest as {kind}")
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    views = read(path)
    assert path.name == f"demo-manifest.{kind.lower()}"
    assert len(views) == 8 * 40 * 3
    assert {"location_id", "country_code", "heading", "key", "license"} <= set(views.columns)


def test_a_collected_dataset_has_no_missing_views(page: Page, demo_stack: DemoStack) -> None:
    open_page(page, demo_stack, "dataset")
    choose(page, "Issues")
    wait_for_text(page, "Data quality")
    save_screenshot(page, "dashboard-issues")
    expect(page.get_by_test_id("stMain")).not_to_contain_text("Missing views")


@pytest.mark.parametrize(
    ("section", "shown"),
    [
        ("Honesty", "The same recipes tested by image and by place"),
        ("Countries", "Display as"),
        ("Views", "One view versus three"),
        ("Calibration", "Reliability"),
    ],
)
def test_each_section_of_the_results_is_drawn(
    page: Page, demo_stack: DemoStack, section: str, shown: str
) -> None:
    open_page(page, demo_stack, "results")
    choose(page, section)
    wait_for_text(page, shown)
    wait_until_drawn(page)
    expect(page.locator(CHARTS).first).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, f"dashboard-results-{section.lower()}")


def test_test_accuracies_of_runs_are_shown_side_by_side(page: Page, demo_stack: DemoStack) -> None:
    open_page(page, demo_stack, "training")
    expect(page.locator(CHARTS).nth(1)).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, "dashboard-curves")
    choose(page, "Test")
    wait_for_text(page, "Test accuracy")
    save_screenshot(page, "dashboard-tests")


def test_an_uploaded_photo_is_predicted_by_the_served_model(
    page: Page, demo_stack: DemoStack, tmp_path: Path
) -> None:
    photo = tmp_path / "photo.jpg"
    Image.open(io.BytesIO(golden_photo())).convert("RGB").save(photo)
    open_page(page, demo_stack, "predict")
    page.locator("input[type=file]").set_input_files(photo)
    wait_for_text(page, "Query with curl")
    save_screenshot(page, "dashboard-prediction")


def test_an_invalid_upload_shows_the_servers_reason(
    page: Page, demo_stack: DemoStack, tmp_path: Path
) -> None:
    text = tmp_path / "notes.jpg"
    text.write_text("no photo")
    open_page(page, demo_stack, "predict")
    page.locator("input[type=file]").set_input_files(text)
    expect(page.get_by_test_id("stAlert").last).to_contain_text("image", timeout=WAIT_MS)
    save_screenshot(page, "dashboard-refused")


def test_a_held_out_place_is_predicted_and_its_country_shown(
    page: Page, demo_stack: DemoStack
) -> None:
    open_page(page, demo_stack, "predict")
    choose(page, "Example")
    wait_for_text(page, "Held out from training")
    wait_for_text(page, "3 photos fused")
    wait_for_text(page, "Query with curl")
    save_screenshot(page, "dashboard-example")
    page.get_by_text("Explain: heat maps").click()
    wait_for_text(page, "grad-cam")
    expect(page.locator("[data-testid=stImage] img").nth(5)).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, "dashboard-why")


def test_a_round_is_played_with_the_keyboard_against_the_served_model(
    page: Page, demo_stack: DemoStack
) -> None:
    open_page(page, demo_stack, "play")
    press(page, "Start")
    wait_for_text(page, "Round 1 of 10")
    choice = page.get_by_test_id("stSelectbox").locator("input").first
    save_screenshot(page, "dashboard-round")
    choice.press("ArrowDown")
    choice.press("Enter")
    press(page, "Guess")
    wait_for_text(page, "This is ")
    wait_for_text(page, "The model:")
    save_screenshot(page, "dashboard-truth")


def test_a_click_on_the_map_selects_a_country(page: Page, demo_stack: DemoStack) -> None:
    open_page(page, demo_stack, "play")
    press(page, "Start")
    wait_for_text(page, "Round 1 of 10")
    wait_until_drawn(page)
    for code in ("FR", "PL"):
        choose_on_map(page, code)
    save_screenshot(page, "dashboard-choice")
    press(page, "Guess")
    wait_for_text(page, "You: Poland")


def choose_on_map(page: Page, code: str) -> None:
    """Click until it takes effect, because the map does not signal that it is ready."""
    chosen = page.get_by_test_id("stSelectbox").locator("input").first
    for _ in range(MAP_MS // CLICK_MS):
        click_on_map(page, centres()[code])
        with contextlib.suppress(AssertionError):
            expect(chosen).to_have_value(country(code).name, timeout=CLICK_MS)
            return
    raise AssertionError(f"{code} cannot be chosen on the map")


def click_on_map(page: Page, place: Coordinate) -> None:
    """Click the pixel where the map (web Mercator, 512-pixel tiles) shows the place."""
    drawn = page.get_by_test_id("stDeckGlJsonChart")
    drawn.scroll_into_view_if_needed()
    box = drawn.bounding_box()
    assert box is not None
    right, down = (a - b for a, b in zip(_world(place), _world(MAP_CENTRE), strict=True))
    page.mouse.click(box["x"] + box["width"] / 2 + right, box["y"] + box["height"] / 2 + down)


def _world(place: Coordinate) -> tuple[float, float]:
    size = 512 * 2**CHOICE_ZOOM
    north = math.log(math.tan(math.pi / 4 + math.radians(place.lat) / 2))
    return size * (place.lon / 360 + 0.5), size * (0.5 - north / (2 * math.pi))
