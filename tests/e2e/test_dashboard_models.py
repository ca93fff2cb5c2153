"""Promotion and rollback on the Models page, observed at the model server."""

import pytest
from playwright.sync_api import Page, expect

from euguess.clients import InferenceClient, RegistryClient
from euguess.errors import ServiceUnavailable
from euguess.process.ports import LOOPBACK
from euguess.stack.plan import Port
from services.inference.golden import golden_photo
from tests.e2e.running import PROJECT_ROOT, DemoStack, eventually
from tests.support.browser import (
    WAIT_MS,
    save_screenshot,
    wait_for_text,
    wait_until_drawn,
)

pytestmark = [pytest.mark.timeout(1800), pytest.mark.browser]

SERVE_SECONDS = 180.0
REASON, REGRET = "It shall *bold*ly be tried", "The _first_ was better"


@pytest.fixture(scope="module")
def challenger(demo_stack: DemoStack) -> str:
    """Train a version for one epoch, which the gate refuses."""
    recipe = str(PROJECT_ROOT / "experiments" / "demo.toml")
    one_epoch = ("--set", "epochs=1", "--set", "schedule.t_0=1")
    trained = demo_stack.euguess("train", "demo", "--recipe", recipe, *one_epoch, "--promote")
    assert "Traceback" not in trained.stdout + trained.stderr
    with _registry(demo_stack) as registry:
        newest, champion = registry.versions()[0], registry.champion_version()
    assert champion is not None
    assert champion.version != newest.version, trained.stdout
    return newest.version


def _registry(stack: DemoStack) -> RegistryClient:
    return RegistryClient(f"http://{LOOPBACK}:{stack.port_base + Port.MLFLOW}")


def _champion(stack: DemoStack) -> str:
    with _registry(stack) as registry:
        champion = registry.champion_version()
    assert champion is not None
    return champion.version


def _serves(stack: DemoStack, version: str) -> bool:
    url = f"http://{LOOPBACK}:{stack.port_base + Port.INFERENCE}"
    key_file = stack.home / "inference" / "key_file.json"
    with InferenceClient(url, key_file) as client:
        try:
            return client.predict([golden_photo()]).model.version == version
        except ServiceUnavailable:  # while it switches versions
            return False


def _open(page: Page, stack: DemoStack) -> None:
    page.goto(f"http://{LOOPBACK}:{stack.port_base}/models")
    wait_for_text(page, "Audit log")
    wait_until_drawn(page)


def test_a_version_is_force_promoted_served_and_rolled_back(
    page: Page, demo_stack: DemoStack, challenger: str
) -> None:
    before = _champion(demo_stack)
    _open(page, demo_stack)
    wait_for_text(page, "The gate would refuse it")
    save_screenshot(page, "dashboard-models-refused")
    page.get_by_text("Force promotion").first.click()
    page.get_by_label("Reason for the forced promotion").first.fill(REASON)
    page.get_by_role("button", name=f"Force promotion of version {challenger}").click()
    wait_for_text(page, "Promoted:")
    assert _champion(demo_stack) == challenger
    eventually(lambda: _serves(demo_stack, challenger), SERVE_SECONDS, "the promoted version")
    save_screenshot(page, "dashboard-models-promoted")

    page.get_by_label("Reason for the rollback").fill(REGRET)
    page.get_by_role("button", name=f"Roll back to version {before}").click()
    wait_for_text(page, "Rolled back:")
    assert _champion(demo_stack) == before
    eventually(lambda: _serves(demo_stack, before), SERVE_SECONDS, "the earlier version")
    save_screenshot(page, "dashboard-models-rolled-back")


def test_the_audit_log_holds_both_decisions_with_their_reasons(
    page: Page, demo_stack: DemoStack, challenger: str
) -> None:
    told = demo_stack.euguess("models", "audit", "--json").stdout
    assert REASON in told
    assert REGRET in told
    _open(page, demo_stack)
    cells = page.get_by_test_id("stDataFrame").last.locator("[role=gridcell]")
    for text in ("forced", REASON):
        expect(cells.filter(has_text=text).first).to_be_attached(timeout=WAIT_MS)
