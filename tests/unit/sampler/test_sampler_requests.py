"""Who may use the sampler over HTTP, and what its API document says about refusals."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from euguess.access.policy import AccessPolicy
from euguess.clients import SamplerClient
from euguess.errors import InvalidInput
from euguess.messages.collection import Budget
from services.sampler import bodies
from tests.support.sampler_fakes import World

SPEC = {"name": "demo", "quotas": {"FR": 3}, "max_candidates": 16}
TOKEN = "0123456789abcdef"
RECIPE = 'name = "tiny"\nnetwork = "smallnet"\nepochs = 1\n'
CHANGES: list[tuple[str, str, dict[str, Any]]] = [
    ("POST", "/datasets", {**SPEC, "name": "other"}),
    ("PUT", "/datasets/demo/budget", {"images": None}),
    ("DELETE", "/datasets/demo", {}),
    ("POST", "/trainings", {"dataset": "demo", "recipe": RECIPE}),
]


@pytest.fixture
async def world() -> World:
    world = World()
    await world.controller.round()
    async with client_of(world) as client:
        await client.post("/datasets", json=SPEC)
    return world


def client_of(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost:8701")


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


@pytest.mark.parametrize(("method", "path", "body"), [*CHANGES, ("GET", "/datasets", {})])
async def test_no_foreign_host_name_is_answered(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = await client.request(method, path, json=body, headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "EUGUESS_ALLOWED_HOSTS" in answer.json()["detail"]


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_pages_of_other_sites_change_nothing(
    client: httpx.AsyncClient, method: str, path: str, body: dict[str, Any]
) -> None:
    foreign = {"Origin": "http://localhost:3000"}
    assert (await client.request(method, path, json=body, headers=foreign)).status_code == 403
    own = {"Origin": "http://localhost:8701"}
    assert (await client.request(method, path, json=body, headers=own)).is_success


@pytest.mark.parametrize(("method", "path", "body"), CHANGES)
async def test_with_a_token_in_the_policy_every_change_needs_it(
    world: World, method: str, path: str, body: dict[str, Any]
) -> None:
    world.policy = AccessPolicy(token=SecretStr(TOKEN))
    async with client_of(world) as client:
        without = await client.request(method, path, json=body)
        wrong = {"Authorization": f"Bearer {TOKEN[:-1]}"}
        refused = await client.request(method, path, json=body, headers=wrong)
        right = {"Authorization": f"Bearer {TOKEN}"}
        accepted = await client.request(method, path, json=body, headers=right)
    assert [without.status_code, refused.status_code] == [401, 401]
    assert without.headers["WWW-Authenticate"] == "Bearer"
    assert "access token" in without.json()["detail"]
    assert accepted.is_success


async def test_reading_needs_no_token(world: World) -> None:
    world.policy = AccessPolicy(token=SecretStr(TOKEN))
    async with client_of(world) as client:
        for path in ("/datasets", "/readyz", "/healthz", "/metrics", "/queues"):
            assert (await client.get(path)).is_success


def test_the_client_sends_its_token_and_says_when_one_is_missing() -> None:
    def sampler(request: httpx.Request) -> httpx.Response:
        sent = request.headers.get("Authorization")
        return httpx.Response(200, json=[]) if sent == f"Bearer {TOKEN}" else httpx.Response(401)

    transport = httpx.MockTransport(sampler)
    with SamplerClient("http://sampler", transport, token=SecretStr(TOKEN)) as client:
        assert client.datasets() == []
    with (
        SamplerClient("http://sampler", transport) as client,
        pytest.raises(InvalidInput, match="EUGUESS_ACCESS_TOKEN_FILE"),
    ):
        client.set_budget("demo", Budget())


async def test_responses_cannot_be_framed_or_sniffed(client: httpx.AsyncClient) -> None:
    for answer in (await client.get("/docs"), await client.get("/x", headers={"Host": "evil"})):
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/countries", 405),
        ("PUT", "/datasets", 405),
        ("PATCH", "/datasets/demo", 405),
        ("POST", "/healthz", 405),
        ("POST", "/nothing", 404),
    ],
)
async def test_a_method_or_path_that_does_not_exist_says_so_whatever_the_body(
    client: httpx.AsyncClient, method: str, path: str, status: int
) -> None:
    assert (await client.request(method, path, content=b"text")).status_code == status


async def test_a_body_that_does_not_arrive_in_time_is_refused(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.01)

    async def stalled() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    headers = {"Content-Type": "application/json"}
    answer = await client.post("/datasets", content=stalled(), headers=headers)
    assert (answer.status_code, answer.headers["Connection"]) == (408, "close")
    assert "did not arrive" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "body", "reason"),
    [
        ("/datasets", {**SPEC, "seed": "1"}, "seed"),
        ("/datasets", {**SPEC, "size": True}, "size"),
        ("/datasets", {**SPEC, "quotas": {"FR": "3"}}, "quotas.FR"),
        ("/trainings", {"dataset": "demo", "recipe": RECIPE, "promote": "yes"}, "promote"),
        ("/trainings", {"dataset": "demo", "recipe": RECIPE, "promote": 1}, "promote"),
    ],
)
async def test_values_of_another_type_than_the_schema_says_are_refused(
    client: httpx.AsyncClient, path: str, body: dict[str, Any], reason: str
) -> None:
    answer = await client.post(path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(reason)


@pytest.mark.parametrize("token", [None, SecretStr(TOKEN)], ids=["loopback", "elsewhere"])
def test_the_api_document_asks_for_the_token_where_changes_need_it(
    world: World, token: SecretStr | None
) -> None:
    world.policy = AccessPolicy(token=token)
    operations = [
        (method, operation)
        for methods in world.app.openapi()["paths"].values()
        for method, operation in methods.items()
    ]
    asking = {method for method, operation in operations if "security" in operation}
    assert asking == (set() if token is None else {"post", "put", "delete"})


ALWAYS, CHANGE, BODY = {"403"}, {"401", "403"}, {"408", "413", "415", "422"}


def test_the_api_document_lists_every_status_of_each_route(world: World) -> None:
    paths = world.app.openapi()["paths"]
    expected = {
        ("post", "/datasets"): {"202", "409", "500", "503"} | CHANGE | BODY,
        ("get", "/datasets"): {"200", "503"} | ALWAYS,
        ("get", "/datasets/{name}"): {"200", "404", "422", "500", "503"} | ALWAYS,
        ("put", "/datasets/{name}/budget"): {"200", "404", "500", "503"} | CHANGE | BODY,
        ("delete", "/datasets/{name}"): {"200", "404", "422", "500", "503"} | CHANGE,
        ("post", "/trainings"): {"202", "404", "429", "500", "503"} | CHANGE | BODY,
        ("get", "/dead-letters"): {"200", "422", "503"} | ALWAYS,
        ("get", "/queues"): {"200", "503"} | ALWAYS,
        ("get", "/readyz"): {"200", "503"} | ALWAYS,
        ("get", "/healthz"): {"200"} | ALWAYS,
        ("get", "/metrics"): {"200"} | ALWAYS,
        ("get", "/countries"): {"200"} | ALWAYS,
    }
    found = {
        (method, path): set(operation["responses"])
        for path, methods in paths.items()
        for method, operation in methods.items()
    }
    assert found == expected


def test_every_error_of_the_api_document_has_the_body_that_is_sent(world: World) -> None:
    for path, methods in world.app.openapi()["paths"].items():
        for operation in methods.values():
            for status, answer in operation["responses"].items():
                if status >= "400" and path != "/readyz":
                    schema = answer["content"]["application/json"]["schema"]
                    assert schema == {"$ref": "#/components/schemas/Problem"}
