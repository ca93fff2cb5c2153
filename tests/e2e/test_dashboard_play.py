"""The game in a browser: by keyboard alone, without hints of the answer, stored durably."""

import io
import json
import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from PIL import Image
from playwright.sync_api import Page, Response, WebSocket, expect

from euguess.cli.demo import COUNTRIES
from euguess.clients import RegistryClient
from euguess.geography.countries import country
from euguess.process.ports import LOOPBACK
from euguess.stack.plan import Port
from euguess.stack.state import STATE_FILE
from tests.e2e.running import DemoStack, eventually
from tests.support.browser import (
    WAIT_MS,
    opened_browser,
    save_screenshot,
    wait_for_text,
    wait_until_drawn,
)

pytestmark = [pytest.mark.timeout(1200), pytest.mark.browser]

PLAYER = "<b>Ada</b> *L* $x$"
ROUNDS = 10
MOST_TABS = 40
RESTART_SECONDS = 60.0
FOCUSED = """() => {
    const element = document.activeElement;
    if (!element.matches("input, button")) return "";  // such as a scroll container, with all texts
    return [element.getAttribute("aria-label"), element.innerText].filter(Boolean).join(" ");
}"""


@dataclass
class Received:
    """Everything that a page has received since the last clear()."""

    frames: list[bytes] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("websocket", self._socket)
        page.on("response", self._response)

    def clear(self) -> None:
        self.frames.clear()
        self.responses.clear()

    def everything(self, page: Page) -> bytes:
        urls = "\n".join(response.url for response in self.responses)
        return b"\n".join([*self.frames, urls.encode(), page.content().encode()])

    def _response(self, response: Response) -> None:
        self.responses.append(response)

    def _socket(self, socket: WebSocket) -> None:
        socket.on("framereceived", lambda data: self.frames.append(_bytes(data)))


def _bytes(data: bytes | str) -> bytes:
    return data.encode() if isinstance(data, str) else data


@pytest.fixture
def received() -> Received:
    return Received()


@pytest.fixture
def page(received: Received) -> Iterator[Page]:
    with opened_browser() as page:
        received.watch(page)
        yield page


def _open(page: Page, stack: DemoStack) -> None:
    page.goto(f"http://{LOOPBACK}:{stack.port_base}/play")
    wait_for_text(page, "Your name")
    wait_until_drawn(page)


def _tab_to(page: Page, label: str) -> None:
    """Press Tab until the element with this label has the focus."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if label in page.evaluate(FOCUSED):
            return
    raise AssertionError(f"Tab does not reach {label}")


def _start(page: Page, player: str) -> None:
    _tab_to(page, "Your name")
    page.keyboard.type(player)
    _tab_to(page, "Start")
    page.keyboard.press("Enter")
    wait_for_text(page, "Round 1 of ")


def _guess(page: Page, name: str) -> None:
    wait_until_drawn(page)
    _tab_to(page, "Your guess")
    page.keyboard.type(name)
    expect(page.get_by_role("option", name=name)).to_be_visible(timeout=WAIT_MS)
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Guess")).to_be_enabled(timeout=WAIT_MS)
    page.keyboard.press("Control+Enter")
    wait_for_text(page, "This is ")
    wait_until_drawn(page)


def _owed_to(page: Page) -> list[str]:
    """Return attribution, licence and id of the place, shown after the guess."""
    captions = page.get_by_test_id("stCaptionContainer")
    return captions.filter(has_text=" · ").last.inner_text().split(" · ")


def test_the_browser_receives_nothing_about_the_place_before_the_guess(
    page: Page, demo_stack: DemoStack, received: Received
) -> None:
    _open(page, demo_stack)
    received.clear()
    _start(page, "nobody")
    expect(page.locator("[data-testid=stImage] img").first).to_be_visible(timeout=WAIT_MS)
    wait_until_drawn(page)
    sent = received.everything(page)
    photos = [r.body() for r in received.responses if "/media/" in r.url]
    _guess(page, "France")

    place = _owed_to(page)[-1]
    parts = re.split("[-_]", place.removeprefix("simulator-"))  # pages escape these characters
    panorama = max(parts, key=len).encode()
    assert panorama in b"\n".join(received.frames)  # shown after the guess
    assert panorama not in sent
    assert b"locations/" not in sent
    assert {sent.count(country(code).name.encode()) for code in COUNTRIES} != {0}
    assert len({sent.count(country(code).name.encode()) for code in COUNTRIES}) == 1
    assert photos
    assert all(not Image.open(io.BytesIO(photo)).getexif() for photo in photos)


def test_a_game_is_played_with_the_keyboard_and_stored(page: Page, demo_stack: DemoStack) -> None:
    _open(page, demo_stack)
    _start(page, PLAYER)
    save_screenshot(page, "dashboard-play-keys")
    places = []
    for number in range(1, ROUNDS + 1):
        wait_for_text(page, f"Round {number} of {ROUNDS}")
        _guess(page, "Greece")
        places.append(_owed_to(page)[-1])
        page.keyboard.press("Enter")
    wait_for_text(page, "Scoreboard")
    save_screenshot(page, "dashboard-play-score")
    assert len(set(places)) == ROUNDS
    with RegistryClient(f"http://{LOOPBACK}:{demo_stack.port_base + Port.MLFLOW}") as registry:
        seen = registry.champion_seen()
    assert seen is not None
    assert not set(places) & set(seen.location_ids)

    _restart_dashboard(demo_stack)
    _open(page, demo_stack)
    wait_for_text(page, "Scoreboard")
    table = page.get_by_test_id("stDataFrame").last
    expect(table.locator("[role=gridcell]").filter(has_text=PLAYER).first).to_be_attached(
        timeout=WAIT_MS
    )
    expect(page.get_by_test_id("stMain")).to_contain_text("People")
    save_screenshot(page, "dashboard-scoreboard")


def _restart_dashboard(stack: DemoStack) -> None:
    state = stack.home / STATE_FILE
    pid = _dashboard_pid(state)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(
        lambda: _dashboard_pid(state) not in (None, pid) and _answers(stack),
        RESTART_SECONDS,
        "the dashboard after its restart",
    )


def _dashboard_pid(state: Path) -> int | None:
    """Return None while the dashboard is being restarted."""
    pids: dict[str, int] = json.loads(state.read_text())["pids"]
    return pids.get("dashboard")


def _answers(stack: DemoStack) -> bool:
    try:
        return httpx.get(f"http://{LOOPBACK}:{stack.port_base}/_stcore/health").is_success
    except httpx.TransportError:
        return False
