"""HTTP interface: accepted requests, refused requests and error texts."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from euguess.clock import utc_now
from euguess.collection.layout import location_key, spec_key
from euguess.messages.collection import (
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    LocationRecord,
    QueueStatus,
    SlotStatus,
    ViewRecord,
)
from euguess.messages.queues import Queue
from services.sampler.bodies import MAX_BODY_BYTES
from services.sampler.controller import STALLED_SECONDS
from tests.support.sampler_fakes import World, always

SPEC = {"name": "demo", "quotas": {"FR": 3, "PL": 2}, "max_candidates": 16}


@pytest.fixture
async def world() -> World:
    world = World()
    await world.controller.round()
    return world


def client_of(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


async def test_a_dataset_is_accepted_once_it_is_durable(
    world: World, client: httpx.AsyncClient
) -> None:
    answer = await client.post("/datasets", json=SPEC)
    assert answer.status_code == 202
    status = DatasetStatus.model_validate_json(answer.content)
    assert (status.state, status.total.pending) == ("collecting", 5)
    assert json.loads(await world.store.get(spec_key("demo")))["quotas"] == SPEC["quotas"]


async def test_the_same_specification_again_is_harmless(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.post("/datasets", json=SPEC)
    await world.run()
    again = await client.post("/datasets", json={**SPEC, "quotas": {"PL": 2, "FR": 3}})
    assert (again.status_code, again.json()["total"]["stored"]) == (202, 5)


async def test_another_specification_of_the_same_name_is_a_conflict(
    client: httpx.AsyncClient,
) -> None:
    await client.post("/datasets", json=SPEC)
    answer = await client.post("/datasets", json={**SPEC, "seed": 1})
    assert answer.status_code == 409
    assert "choose another name" in answer.json()["detail"]


INVALID = [
    ({"quotas": {"XX": 1}}, "unknown country XX; use some of DE, FR, PL"),
    ({"quotas": {"fr": 1}}, "quotas.fr"),
    ({"quotas": {"FR": 0}}, "quotas.FR: Input should be greater than or equal to 1"),
    ({"quotas": {"FR": -3}}, "quotas.FR: Input should be greater than or equal to 1"),
    ({"quotas": {"FR": 2.5}}, "quotas.FR"),
    ({"quotas": {}}, "quotas"),
    ({"headings": [0, 360]}, "headings.1: Input should be less than 360"),
    ({"headings": [0, 0]}, "headings must differ"),
    ({"headings": []}, "headings"),
    ({"name": "a/b"}, "name: 'a/b' is not a valid name"),
    ({"name": "../up"}, "is not a valid name"),
    ({"name": ""}, "is not a valid name"),
    ({"provider": "folder"}, "euguess dataset import"),
    ({"provider": "nobody"}, "use one of simulator, google"),
    ({"border_buffer_km": 51}, "border_buffer_km"),
    ({"seed": -1}, "seed"),
    ({"colour": "red"}, "colour: Extra inputs are not permitted"),
]


@pytest.mark.parametrize(("change", "reason"), INVALID, ids=[str(row[0]) for row in INVALID])
async def test_an_invalid_specification_is_refused_with_a_readable_reason(
    world: World, client: httpx.AsyncClient, change: dict[str, Any], reason: str
) -> None:
    answer = await client.post("/datasets", json={**SPEC, **change})
    assert answer.status_code == 422
    assert reason in answer.json()["detail"]
    assert "[key]" not in answer.json()["detail"]
    assert world.controller.names == []
    assert [key async for key in world.store.list("datasets/")] == []


@pytest.mark.parametrize(
    ("body", "content_type", "status", "reason"),
    [
        (b"{", "application/json", 422, "The body is not JSON"),
        (b"[]", "application/json", 422, "object"),
        (b"", "application/json", 422, "required"),
        (b"[" * 60_000, "application/json", 422, "The body is not JSON"),
        (b"9" * 5_000, "application/json", 422, "The body is not JSON"),
        (b'{"name": NaN}', "application/json", 422, "The body is not JSON"),
        (b'{"name": "\\ud800"}', "application/json", 422, "The body is not JSON"),
        (b"name=demo", "application/x-www-form-urlencoded", 415, "application/json"),
        (b"{}", "", 415, "application/json"),
        (b" " * (MAX_BODY_BYTES + 1), "application/json", 413, "larger than"),
    ],
    ids=[
        "broken",
        "list",
        "empty",
        "deep",
        "digits",
        "constant",
        "surrogate",
        "form",
        "untyped",
        "large",
    ],
)
async def test_only_small_json_bodies_are_read(
    client: httpx.AsyncClient, body: bytes, content_type: str, status: int, reason: str
) -> None:
    answer = await client.post("/datasets", content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status
    assert reason in str(answer.json()["detail"])


async def test_a_large_body_is_refused_whatever_length_it_declares(
    client: httpx.AsyncClient,
) -> None:
    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b" " * 10_000

    headers = {"Content-Type": "application/json"}
    answer = await client.post("/datasets", content=endless(), headers=headers)
    assert answer.status_code == 413


# --- what is down ---


async def test_without_redis_nothing_is_accepted(world: World, client: httpx.AsyncClient) -> None:
    world.ledger.is_down = True
    answer = await client.post("/datasets", json=SPEC)
    assert answer.status_code == 503
    assert "Redis does not accept the request" in answer.json()["detail"]
    assert not await world.store.exists(spec_key("demo"))


async def test_a_full_redis_accepts_nothing(world: World, client: httpx.AsyncClient) -> None:
    world.ledger.is_full = True
    assert (await client.post("/datasets", json=SPEC)).status_code == 503
    assert not await world.store.exists(spec_key("demo"))


async def test_without_the_store_nothing_is_accepted(
    world: World, client: httpx.AsyncClient
) -> None:
    world.store.is_down = True
    answer = await client.post("/datasets", json=SPEC)
    assert answer.status_code == 503
    assert "euguess up" in answer.json()["detail"]
    assert world.controller.names == []


async def test_a_collection_is_shown_while_redis_and_the_store_are_down(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.post("/datasets", json=SPEC)
    world.ledger.is_down = world.store.is_down = True
    answer = await client.get("/datasets/demo")
    assert (answer.status_code, answer.json()["total"]["pending"]) == (200, 5)


async def test_readiness_names_what_is_wrong(world: World, client: httpx.AsyncClient) -> None:
    assert (await client.get("/readyz")).json() == {"status": "ready"}
    world.ledger.is_down = world.store.is_down = True
    answer = await client.get("/readyz")
    assert (answer.status_code, set(answer.json())) == (503, {"redis", "store"})
    assert (await client.get("/healthz")).status_code == 200


async def test_a_loop_that_hangs_is_not_ready(world: World, client: httpx.AsyncClient) -> None:
    world.wait(STALLED_SECONDS + 1)
    answer = await client.get("/readyz")
    assert (answer.status_code, list(answer.json())) == (503, ["collection"])


# --- what is shown ---


@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_an_unknown_dataset_is_not_found(client: httpx.AsyncClient, method: str) -> None:
    answer = await client.request(method, "/datasets/nothing")
    assert answer.status_code == 404
    assert "'nothing'" in answer.json()["detail"]


async def test_a_status_shows_how_each_slot_ended(world: World, client: httpx.AsyncClient) -> None:
    world.fetchers.answer = lambda request: (
        SlotStatus.STORED if request.slot.country_code == "FR" else SlotStatus.EXHAUSTED
    )
    await client.post("/datasets", json=SPEC)
    await world.run()
    status = DatasetStatus.model_validate((await client.get("/datasets/demo")).json())
    assert (status.countries["FR"].stored, status.countries["PL"].no_coverage) == (3, 2)
    assert (status.images, status.rejections) == (9, {"no_imagery": 32})


async def test_all_datasets_are_listed_including_imported_ones(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.post("/datasets", json=SPEC)
    await import_one_photo(world)
    found = [(s["spec"]["name"], s["state"]) for s in (await client.get("/datasets")).json()]
    assert found == [("demo", "collecting"), ("photos", "imported")]


async def import_one_photo(world: World) -> None:
    spec = DatasetSpec(name="photos", quotas={"FR": 1}, provider="folder")
    view = ViewRecord(key="x", heading=0, sha256="0" * 64, bytes=1, width=1, height=1)
    record = LocationRecord(
        location_id="folder-1",
        dataset="photos",
        provider="folder",
        panorama_id="1",
        country_code="FR",
        lat=47,
        lon=2,
        attribution="me",
        license="CC0",
        views=(view,),
        fetched_at=utc_now(),
    )
    await world.store.put(spec_key("photos"), spec.model_dump_json().encode())
    key = location_key("photos", "FR", "folder-1")
    await world.store.put(key, record.model_dump_json().encode())


async def test_stopping_keeps_the_counts(world: World, client: httpx.AsyncClient) -> None:
    await client.post("/datasets", json=SPEC)
    answer = await client.delete("/datasets/demo")
    assert (answer.status_code, answer.json()["state"]) == (200, "stopped")
    assert answer.json()["total"]["pending"] == 5


async def test_dead_letters_are_shown(world: World, client: httpx.AsyncClient) -> None:
    letter = DeadLetter(source="fetcher", reason="broken", payload={"a": 1}, at=utc_now())
    await world.ledger.bury(letter)
    (shown,) = (await client.get("/dead-letters")).json()
    assert (shown["reason"], shown["payload"]) == ("broken", {"a": 1})


async def test_queues_are_shown(world: World, client: httpx.AsyncClient) -> None:
    await client.post("/datasets", json=SPEC)
    await world.controller.round()
    world.ledger.queued[Queue.FETCH] = 2
    await world.ledger.bury(DeadLetter(source="fetcher", reason="poison", payload={}, at=utc_now()))
    shown = QueueStatus.model_validate_json((await client.get("/queues")).content)
    assert shown == QueueStatus(
        messages={"fetch": 2, "train": 0}, slots_in_flight=5, dead_letters=1
    )


async def test_queues_without_redis_are_unavailable(
    world: World, client: httpx.AsyncClient
) -> None:
    world.ledger.is_down = True
    assert (await client.get("/queues")).status_code == 503


async def test_countries_have_names_and_presets_have_quotas(client: httpx.AsyncClient) -> None:
    answer = (await client.get("/countries")).json()
    assert answer["countries"]["FR"] == "France"
    assert sum(answer["presets"]["eu32"].values()) == 14_260
    assert next(iter(answer["presets"]["eu32"])) == "AL"


async def test_metrics_count_slots_messages_and_outcomes(
    world: World, client: httpx.AsyncClient
) -> None:
    world.fetchers.answer = always(SlotStatus.STORED)
    await client.post("/datasets", json=SPEC)
    await world.run()
    lines = (await client.get("/metrics")).text.splitlines()
    assert 'euguess_slots{dataset="demo",status="stored"} 5.0' in lines
    assert 'euguess_outcomes_total{status="stored"} 5.0' in lines
    assert "euguess_slots_published_total 5.0" in lines
    assert "euguess_slots_outstanding 0.0" in lines
    assert any(line.startswith("euguess_reconcile_lag_seconds 0.") for line in lines)


async def test_two_applications_keep_their_own_metrics(client: httpx.AsyncClient) -> None:
    await client.post("/datasets", json=SPEC)
    async with client_of(World()) as other:
        assert "demo" not in (await other.get("/metrics")).text


async def test_the_interface_is_described_with_examples(client: httpx.AsyncClient) -> None:
    description = (await client.get("/openapi.json")).json()
    post = description["paths"]["/datasets"]["post"]
    examples = post["requestBody"]["content"]["application/json"]["examples"]
    for example in examples.values():
        DatasetSpec.model_validate(example["value"])
    assert {"202", "409", "413", "415", "422", "503"} <= set(post["responses"])
