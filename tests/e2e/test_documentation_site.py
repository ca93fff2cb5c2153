"""The documentation site: built in strict mode, and read in a browser without a network."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.running import PROJECT_ROOT
from tests.support.browser import PHONE, WAIT_MS, opened_browser

OPTIONS = ("--nitpicky", "--fail-on-warning", "--keep-going", "--quiet")


def build(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sphinx", *OPTIONS, str(source), str(target)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


class QuietFiles(SimpleHTTPRequestHandler):
    """Serves files without logging."""

    def log_message(self, format: str, *args: object) -> None:
        """Write nothing."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a freshly built site."""
    target = tmp_path_factory.mktemp("site")
    built = build(PROJECT_ROOT / "docs", target)
    assert built.returncode == 0, built.stderr
    handler = partial(QuietFiles, directory=str(target))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def page() -> Iterator[Page]:
    with opened_browser() as page:
        yield page


@pytest.mark.browser
def test_diagrams_are_drawn_without_another_server(page: Page, site: str) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(f"{site}/architecture.html")
    diagrams = (PROJECT_ROOT / "docs" / "architecture.md").read_text().count("```mermaid")
    expect(page.locator(".mermaid svg")).to_have_count(diagrams, timeout=WAIT_MS)
    assert [url for url in requests if not url.startswith(site)] == []


@pytest.mark.browser
def test_search_finds_a_recipe_key(page: Page, site: str) -> None:
    page.goto(f"{site}/search.html?q=logit_adjustment")
    expect(page.locator("ul.search")).to_contain_text("Recipe keys", timeout=WAIT_MS)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["index", "architecture", "reference/recipe", "benchmarks"])
def test_no_page_is_wider_than_a_phone(page: Page, site: str, name: str) -> None:
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    page.goto(f"{site}/{name}.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("[a](missing.md)", "missing.md"),
        ("[a](#missing)", "missing"),
        ("| a | b |\n|---|---|\n| 1 | 2 |\n\nText.\n| 3 | 4 |", "broken table"),
    ],
    ids=["link", "anchor", "table"],
)
def test_a_broken_page_fails_the_build(tmp_path: Path, text: str, fault: str) -> None:
    source = tmp_path / "docs"
    source.mkdir()
    for name in ("_static", "conf.py"):
        (source / name).symlink_to(PROJECT_ROOT / "docs" / name)
    (source / "index.md").write_text(f"# Index\n\n{text}\n")
    built = build(source, tmp_path / "site")
    assert built.returncode != 0
    assert fault in built.stderr
