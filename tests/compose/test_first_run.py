"""The first run: `docker compose up` without any configuration."""

from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect

from services.inference.golden import golden_photo
from tests.compose.clients import dataset_status, inference_client, stored_views
from tests.compose.stack import Stack
from tests.support.browser import CHARTS, WAIT_MS, opened_browser, save_screenshot, wait_for_text

pytestmark = pytest.mark.timeout(4000)  # the first one builds the images and waits for training

ONE_SHOT = {"prepare", "minio-setup", "first-run"}


def test_the_first_run_completes_with_every_service_healthy(stack: Stack) -> None:
    ended = [c for c in stack.containers() if c.has_ended]
    assert {c.service for c in ended} == ONE_SHOT
    assert not stack.report()
    services = {c.service for c in stack.running()}
    stack.wait_until_healthy(*services)
    assert len(services) == 9


def test_the_first_run_collects_the_demonstration(stack: Stack) -> None:
    total = dataset_status(stack, "demo").total
    assert total.requested == 320
    assert total.pending == 0
    assert total.stored >= 300


def test_the_first_run_shows_leaky_and_honest_accuracy(stack: Stack) -> None:
    text = stack.logs(stack.container("first-run"))
    for expected in ("leaky", "honest", "With 1 view:", "With 3 views:"):
        assert expected.lower() in text.lower()


@pytest.mark.parametrize("count", [1, 3])
def test_torchserve_answers_for_one_and_three_views(
    stack: Stack, tmp_path: Path, count: int
) -> None:
    views = stored_views(stack, "demo-new-places")[:count]
    with inference_client(stack, tmp_path) as client:
        prediction = client.predict(views)
    assert prediction.views == count
    assert prediction.model.dataset == "demo"


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Bearer wrong"}], ids=["no token", "wrong token"]
)
def test_torchserve_refuses_requests_without_a_valid_token(
    stack: Stack, headers: dict[str, str]
) -> None:
    address = f"http://127.0.0.1:{stack.ports.inference}/predictions/euguess"
    answer = httpx.post(address, content=golden_photo(), headers=headers)
    assert answer.status_code == 400
    assert "InvalidKeyException" in answer.text


def test_the_dashboard_shows_the_balance_and_the_champion(stack: Stack) -> None:
    with opened_browser() as page:
        page.goto(f"http://127.0.0.1:{stack.ports.dashboard}")
        for expected in ("Champion", "Requested", "Stored", "Failed", "Pending", "location split"):
            wait_for_text(page, expected)
        expect(page.locator(CHARTS).nth(1)).to_be_visible(timeout=WAIT_MS)
        save_screenshot(page, "dashboard-in-containers")
