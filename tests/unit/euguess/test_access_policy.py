"""Who may use a service: host names, origins of pages and the token for changes."""

from pathlib import Path

import pytest
from pydantic import SecretStr

from euguess.access.hosts import AllowedHosts, is_loopback
from euguess.access.policy import access_policy
from euguess.errors import InvalidInput
from euguess.settings import AccessSettings
from euguess.stack.credentials import load_credentials

TOKEN = SecretStr("0123456789abcdef")


@pytest.mark.parametrize(
    ("host", "is_allowed"),
    [
        ("127.0.0.1:8701", True),
        ("localhost", True),
        ("LOCALHOST:8701", True),
        ("[::1]:8701", True),
        ("sampler:8000", True),
        ("evil.example", False),
        ("127.0.0.1.evil.example:8701", False),
        ("localhost@evil.example", False),
        ("evil.example#localhost", False),
        ("10.0.0.7:8701", False),
        ("[::1", False),
        ("", False),
    ],
)
def test_only_loopback_and_allowed_names_are_answered(host: str, is_allowed: bool) -> None:
    assert AllowedHosts(frozenset({"sampler"})).allow(host) is is_allowed


def test_a_service_that_others_can_reach_answers_to_addresses_but_not_to_foreign_names() -> None:
    hosts = AllowedHosts(allows_addresses=True)
    assert hosts.allow("10.0.0.7:8701")
    assert not hosts.allow("evil.example:8701")


@pytest.mark.parametrize(
    ("origin", "is_allowed"),
    [
        ("http://127.0.0.1:8701", True),
        ("https://dash.example", True),
        ("http://127.0.0.1:3000", False),
        ("http://localhost:8701", False),
        ("https://dash.example:8443", False),
        ("http://evil.example", False),
        ("null", False),
    ],
)
def test_only_own_pages_and_allowed_ones_may_change_anything(origin: str, is_allowed: bool) -> None:
    hosts = AllowedHosts(frozenset({"dash.example"}))
    assert hosts.allow_origin(origin, "127.0.0.1:8701") is is_allowed


@pytest.mark.parametrize(
    ("address", "is_private"),
    [
        *((address, True) for address in ("127.0.0.1", "127.0.0.2", "localhost", "::1", "[::1]")),
        *((address, False) for address in ("0.0.0.0", "10.0.0.7", "::", "gpu-box", "")),
    ],
)
def test_loopback_addresses_are_known(address: str, is_private: bool) -> None:
    assert is_loopback(address) is is_private


def test_on_loopback_no_token_is_needed() -> None:
    policy = access_policy(AccessSettings(access_token=TOKEN), "127.0.0.1")
    assert policy.token is None
    assert policy.accepts("")


def test_elsewhere_only_the_token_is_accepted() -> None:
    policy = access_policy(AccessSettings(access_token=TOKEN), "0.0.0.0")
    assert policy.accepts(TOKEN.get_secret_value())
    assert not policy.accepts("")
    assert not policy.accepts(TOKEN.get_secret_value() + "x")
    assert not policy.accepts("é")


def test_without_a_token_no_service_listens_elsewhere() -> None:
    with pytest.raises(InvalidInput, match="EUGUESS_ACCESS_TOKEN_FILE"):
        access_policy(AccessSettings(), "0.0.0.0")


def test_a_container_is_as_open_as_the_address_on_which_it_is_published() -> None:
    private = AccessSettings(published_on="127.0.0.1", access_token=TOKEN)
    public = AccessSettings(published_on="0.0.0.0", access_token=TOKEN)
    assert access_policy(private, "0.0.0.0").token is None
    assert access_policy(public, "0.0.0.0").token == TOKEN


def test_names_are_read_from_the_settings() -> None:
    settings = AccessSettings(allowed_hosts="sampler, Dash.Example,")
    assert access_policy(settings, "127.0.0.1").hosts.names == {"sampler", "dash.example"}


def test_a_home_of_an_earlier_version_gets_a_token_and_keeps_its_passwords(
    tmp_path: Path,
) -> None:
    before = load_credentials(tmp_path)
    path = tmp_path / "credentials.json"
    path.write_text(path.read_text().replace(f', "access_token": "{before.access_token}"', ""))
    after = load_credentials(tmp_path)
    assert after.redis_password == before.redis_password
    assert len(after.access_token) == 48
    assert after.access_token != before.access_token
    assert load_credentials(tmp_path) == after
    assert path.stat().st_mode & 0o777 == 0o600
