"""Requests as a local server receives them, and places where secrets must not appear."""

import logging
import traceback
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from euguess.errors import EUGuessError, InvalidInput
from euguess.geography.locations import Coordinate
from euguess.settings import ProviderSettings
from services.fetcher.providers import Blocked, NoAnswer, QuotaExceeded, View
from services.fetcher.providers.google import GoogleAccess, GoogleProvider, signature
from services.fetcher.retry import RetryAction, RetryDecision, decide
from services.fetcher.worker import open_provider, why_off

KEY, SECRET = "canary|key", "Y2FuYXJ5LXNlY3JldA=="
VIEW = View(heading=120, fov=90, pitch=0, size=640)


def _nothing_found() -> web.Response:
    return web.json_response({"status": "ZERO_RESULTS"})


class Provider:
    """A server that records raw request targets and sends one response."""

    def __init__(self) -> None:
        self.targets: list[str] = []
        self.response: Callable[[], web.Response] = _nothing_found

    async def handle(self, request: web.Request) -> web.Response:
        self.targets.append(request.raw_path)
        return self.response()


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def google(provider: Provider) -> AsyncIterator[GoogleProvider]:
    app = web.Application()
    app.router.add_get("/{path:.*}", provider.handle)
    server = TestServer(app)
    await server.start_server(access_log=None)  # the server's own log would hold the key
    access = GoogleAccess(
        base_url=str(server.make_url("")).rstrip("/"),
        key=SecretStr(KEY),
        signing_secret=SecretStr(SECRET),
    )
    async with aiohttp.ClientSession() as session:
        yield GoogleProvider(session, access)
    await server.close()


async def test_the_signature_matches_the_target_as_received(
    google: GoogleProvider, provider: Provider
) -> None:
    """A library that re-encodes the URL after signing would invalidate the signature."""
    await google.find(Coordinate(48.2, 16.37), 1000)
    target, _, signed = provider.targets[0].rpartition("&signature=")
    assert "location=48.2000000%2C16.3700000" in target
    assert "key=canary%7Ckey" in target
    assert signed == signature(SECRET, target)


async def test_redirects_are_not_followed(google: GoogleProvider, provider: Provider) -> None:
    provider.response = lambda: web.Response(status=302, headers={"Location": "/login"})
    with pytest.raises(Blocked):
        await google.fetch("pano", VIEW)
    assert len(provider.targets) == 1


async def test_the_retry_after_header_is_parsed(google: GoogleProvider, provider: Provider) -> None:
    provider.response = lambda: web.Response(status=429, headers={"Retry-After": "17"})
    with pytest.raises(QuotaExceeded) as caught:
        await google.fetch("pano", VIEW)
    assert caught.value.retry_after_seconds == 17


@pytest.mark.parametrize("value", ["²", "١٢", "-5", "1e9", "soon", ""])
async def test_a_retry_after_header_of_another_form_is_ignored(
    google: GoogleProvider, provider: Provider, value: str
) -> None:
    provider.response = lambda: web.Response(status=429, headers={"Retry-After": value})
    with pytest.raises(QuotaExceeded) as caught:
        await google.fetch("pano", VIEW)
    assert caught.value.retry_after_seconds is None


@pytest.mark.parametrize("value", ["7200", "9" * 400])
async def test_a_long_retry_after_pauses_for_an_hour_at_most(
    google: GoogleProvider, provider: Provider, value: str
) -> None:
    provider.response = lambda: web.Response(status=429, headers={"Retry-After": value})
    with pytest.raises(QuotaExceeded) as caught:
        await google.fetch("pano", VIEW)
    decision = decide(caught.value, 1, 0, jitter=1.0)
    assert decision == RetryDecision(RetryAction.PAUSE_PROVIDER, 3600)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 429, 500, 503])
async def test_no_secret_gets_into_an_error_its_traceback_or_the_log(
    google: GoogleProvider, provider: Provider, caplog: pytest.LogCaptureFixture, status: int
) -> None:
    caplog.set_level(logging.DEBUG)
    text = f"not allowed: {KEY} {SECRET} canary%7Ckey"
    provider.response = lambda: web.Response(status=status, text=text)
    told = caplog.text
    for call in (google.find(Coordinate(48, 2), 50), google.fetch("pano", VIEW)):
        with pytest.raises(EUGuessError) as caught:
            await call
        told += "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "canary" not in told + caplog.text
    assert SECRET not in told + caplog.text


async def test_an_unreachable_server_leaks_no_address(free_port: int) -> None:
    access = GoogleAccess(base_url=f"http://127.0.0.1:{free_port}", key=SecretStr(KEY))
    async with aiohttp.ClientSession() as session:
        with pytest.raises(NoAnswer) as caught:
            await GoogleProvider(session, access).find(Coordinate(48, 2), 50)
    assert "canary" not in "".join(traceback.format_exception(caught.value))


async def test_google_is_off_until_its_terms_are_accepted() -> None:
    settings = ProviderSettings(google_key=SecretStr(KEY))
    told = why_off(settings)
    assert told is not None
    assert "forbid storing" in told
    assert "EUGUESS_ACCEPT_PROVIDER_TERMS=google" in told
    assert KEY not in told
    async with aiohttp.ClientSession() as session:
        with pytest.raises(InvalidInput, match="forbid storing"):
            open_provider("google", settings, session)


async def test_google_needs_a_key() -> None:
    settings = ProviderSettings(accept_provider_terms="google")
    async with aiohttp.ClientSession() as session:
        with pytest.raises(InvalidInput, match="EUGUESS_GOOGLE_KEY"):
            open_provider("google", settings, session)


async def test_the_simulator_is_the_google_client_at_another_address_for_free() -> None:
    assert why_off(ProviderSettings()) is None
    async with aiohttp.ClientSession() as session:
        simulator = open_provider("simulator", ProviderSettings(), session)
    assert isinstance(simulator, GoogleProvider)
    assert (simulator.name, simulator.price_per_image) == ("simulator", 0)
