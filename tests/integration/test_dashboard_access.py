"""A served dashboard: foreign names, pages of other sites, frames, and its own pages' files."""

import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import expect
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from euguess.process.ports import LOOPBACK, free_ports
from euguess.process.project import project_root
from euguess.stack.processes import ServerSpec, started
from euguess.stack.servers import http_ready
from tests.support.browser import CHARTS, WAIT_MS, opened_browser, wait_for_text, wait_until_drawn
from tests.support.served_dashboard import served

pytestmark = pytest.mark.timeout(240)

APP = Path(__file__).parents[1] / "benchmarks" / "generated_dashboard.py"
NOWHERE = f"http://{LOOPBACK}:9"
PAGES = ("", "dataset", "predict", "training", "results", "models", "play")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with served(APP, "small") as address:
        yield address


def test_foreign_names_are_refused_and_frames_forbidden(address: str) -> None:
    assert httpx.get(address, headers={"Host": "evil.example"}).status_code == 403
    page = httpx.get(address)
    assert page.is_success
    assert page.headers["X-Frame-Options"] == "DENY"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "http://localhost:1"}, {"Origin": "null"}],
    ids=["site", "port", "null"],
)
def test_pages_of_other_sites_open_no_session(address: str, headers: dict[str, str]) -> None:
    stream = address.replace("http", "ws") + "/_stcore/stream"
    with pytest.raises(InvalidStatus, match="403"), connect(stream, additional_headers=headers):
        pass
    with connect(stream, additional_headers={"Origin": address}):
        pass


def test_a_rebound_name_opens_no_session(address: str) -> None:
    port = int(address.rpartition(":")[2])
    rebound = f"ws://evil.example:{port}/_stcore/stream"
    connection = socket.create_connection((LOOPBACK, port))
    with pytest.raises(InvalidStatus, match="403"), connect(rebound, sock=connection):
        pass


@pytest.mark.browser
def test_every_page_draws_its_charts_within_the_content_security_policy(address: str) -> None:
    with opened_browser() as page:
        messages: list[str] = []
        page.on("console", lambda message: messages.append(message.text))
        for name in PAGES:
            page.goto(f"{address}/{name}")
            wait_until_drawn(page)
            if name in ("", "dataset", "training", "results", "models"):
                expect(page.locator(CHARTS).first).to_be_visible(timeout=WAIT_MS)
        page.goto(f"{address}/dataset")
        wait_until_drawn(page)
        page.locator("button", has_text="Map").first.click()
        expect(page.locator("canvas").first).to_be_visible(timeout=WAIT_MS)
        assert [text for text in messages if "Content Security Policy" in text] == []


@pytest.mark.browser
def test_elsewhere_than_on_loopback_a_session_needs_the_token(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("0123456789abcdef")
    with running_dashboard(tmp_path, secret) as address, opened_browser() as page:
        page.goto(f"{address}/training")
        wait_for_text(page, "Access token")
        page.locator("input[type=password]").fill("0123456789abcdef")
        page.get_by_role("button", name="Unlock").click()
        wait_for_text(page, "Start a run")
        expect(page.locator("input[type=password]")).to_have_count(0)


@contextmanager
def running_dashboard(folder: Path, secret: Path) -> Iterator[str]:
    """Run the dashboard as if its port were published to the network, without any service."""
    (port,) = free_ports(1)
    address = f"http://{LOOPBACK}:{port}"
    spec = ServerSpec(
        name="dashboard",
        argv=(sys.executable, "-m", "dashboard", "--port", str(port)),
        ready=http_ready(f"{address}/_stcore/health"),
        env={
            "EUGUESS_PUBLISHED_ON": "0.0.0.0",
            "EUGUESS_ACCESS_TOKEN_FILE": str(secret),
            "EUGUESS_SAMPLER_URL": NOWHERE,
            "EUGUESS_MLFLOW_URL": NOWHERE,
            "EUGUESS_INFERENCE_URL": NOWHERE,
        },
        cwd=project_root(),
        ports=(port,),
    )
    with started(spec, folder / "dashboard.log"):
        yield address
