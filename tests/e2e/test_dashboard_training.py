"""A training run from start to finish on the dashboard alone, on a running stack."""

import json
import re

import pytest
from playwright.sync_api import Page, expect

from euguess.training.runs import ALIVE_TAG
from tests.e2e.running import DemoStack
from tests.support.browser import (
    DESKTOP,
    PHONE,
    WAIT_MS,
    save_screenshot,
    wait_for_text,
    wait_until_drawn,
)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.browser]

NAME = "from-page"
CHANGES = f"name={NAME}\nepochs=40"
TRAINED_MS = 300_000


def open_trainings(page: Page, stack: DemoStack) -> None:
    page.goto(f"http://127.0.0.1:{stack.port_base}/training")
    wait_for_text(page, "Start a run")
    wait_until_drawn(page)


def press(page: Page, label: str) -> None:
    page.get_by_role("button", name=label, exact=True).first.click()


def open_form(page: Page) -> None:
    page.get_by_text("Start a run").first.click()
    expect(page.get_by_label("Overrides, one key=value")).to_be_visible(timeout=WAIT_MS)


def fill_form(page: Page, changes: str) -> None:
    box = page.get_by_label("Overrides, one key=value")
    box.fill(changes)
    box.press("Control+Enter")


def test_a_run_is_started_stopped_and_resumed_on_the_page(
    page: Page, demo_stack: DemoStack
) -> None:
    open_trainings(page, demo_stack)
    open_form(page)
    fill_form(page, CHANGES)
    wait_for_text(page, f'name = "{NAME}"')
    save_screenshot(page, "dashboard-training-form")
    page.get_by_role("button", name="Start", exact=True).dblclick()
    wait_for_text(page, "Queued on demo")
    progress = page.get_by_test_id("stProgress").first
    expect(progress).to_contain_text(re.compile(rf"{NAME}.*epoch [1-9]"), timeout=TRAINED_MS)
    save_screenshot(page, "dashboard-training-running")
    press(page, "Stop")
    wait_for_text(page, "stopping after the current epoch")
    expect(page.get_by_role("button", name="Resume", exact=True)).to_be_visible(timeout=WAIT_MS)
    save_screenshot(page, "dashboard-training-stopped")
    press(page, "Resume")
    wait_for_text(page, "queued. It resumes")
    expect(progress).to_contain_text(NAME, timeout=TRAINED_MS)
    save_screenshot(page, "dashboard-training-resumed")
    expect(progress).to_have_count(0, timeout=TRAINED_MS)
    runs = json.loads(demo_stack.euguess("models", "runs", "--json").stdout)
    (found,) = (run for run in runs if run["name"].startswith(NAME))
    assert found["status"] == "FINISHED"  # a single run, resumed
    assert ALIVE_TAG in found["tags"]


def test_a_mistyped_recipe_is_refused_with_its_reason(page: Page, demo_stack: DemoStack) -> None:
    open_trainings(page, demo_stack)
    open_form(page)
    fill_form(page, "name=refused\nepoch=2")
    wait_for_text(page, "unknown key epoch")
    expect(page.get_by_role("button", name="Start", exact=True)).to_have_count(0)
    save_screenshot(page, "dashboard-training-refused")


def test_a_run_queued_on_the_command_line_is_shown(page: Page, demo_stack: DemoStack) -> None:
    changes = ("--set", "name=queued", "--set", "epochs=2")
    recipe = ("--recipe", "experiments/demo.toml")
    answer = demo_stack.euguess("train", "demo", *recipe, *changes, "--queue")
    assert answer.returncode == 0, answer.stderr
    assert "Queued queued on demo." in answer.stdout
    open_trainings(page, demo_stack)
    runs = page.get_by_test_id("stMultiSelect")
    runs.click()
    option = page.get_by_role("option", name="queued, demo, location")
    chosen = runs.get_by_text("queued, demo, location")  # if already running
    expect(option.or_(chosen).first).to_be_visible(timeout=TRAINED_MS)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_form_is_no_wider_than_a_phone(page: Page, demo_stack: DemoStack, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    try:
        open_trainings(page, demo_stack)
        open_form(page)
        page.get_by_role("button", name="Start", exact=True).click(trial=True)  # once it is stable
        save_screenshot(page, f"dashboard-training-form-phone-{scheme}")
        main = page.get_by_test_id("stMain")
        assert main.evaluate("element => element.scrollWidth") <= PHONE[0]
    finally:
        page.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
        page.emulate_media(color_scheme="light")
