"""Training runs over HTTP: queued as sent, or refused with a reason."""

from typing import Any

import httpx
import pytest

from euguess.messages.queues import Queue
from euguess.messages.training import TrainRun
from tests.support.sampler_fakes import World

RECIPE = 'name = "tiny"\nnetwork = "smallnet"\nepochs = 2\n'
ORDER = {"dataset": "demo", "recipe": RECIPE, "promote": True}


@pytest.fixture
async def world() -> World:
    world = World()
    async with client_of(world) as client:
        await client.post("/datasets", json={"name": "demo", "quotas": {"FR": 1}})
    return world


def client_of(world: World) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(world.app)
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def sent(world: World, **changes: Any) -> httpx.Response:
    async with client_of(world) as client:
        return await client.post("/trainings", json={**ORDER, **changes})


async def test_a_training_run_is_queued_as_sent(world: World) -> None:
    answer = await sent(world)
    assert answer.status_code == 202
    assert world.publisher.trainings == [TrainRun(**ORDER)]
    assert TrainRun.model_validate_json(answer.content) == TrainRun(**ORDER)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"dataset": "other"}, 404, "no dataset"),
        ({"dataset": "../demo"}, 422, "is not a valid name"),
        ({"recipe": "epochs = = 2"}, 422, "not TOML"),
        ({"recipe": ""}, 422, "recipe"),
        ({"recipe": f"{RECIPE}epoch = 3"}, 422, "unknown key epoch; the keys here are"),
        ({"recipe": RECIPE.replace("smallnet", "smalnet")}, 422, "no network 'smalnet'"),
        ({"recipe": f"{RECIPE}schedule.warmup_epochs = 2"}, 422, "must be less than epochs"),
        ({"recipe": "a." * 9_000 + "a = 1"}, 422, "more than 16 parts"),
        ({"recipe": "a = " + "[" * 9_000}, 422, "nested too deeply"),
        ({"recipe": "a = " + "{a = " * 3_000}, 422, "nested too deeply"),
        ({"recipe": "a = " + "9" * 5_000}, 422, "too many digits"),
        ({"recipe": "# " + "x" * 20_000}, 422, "recipe"),
        ({"epochs": 3}, 422, "epochs"),
    ],
)
async def test_an_invalid_training_request_is_refused(
    world: World, changes: dict[str, Any], status: int, reason: str
) -> None:
    answer = await sent(world, **changes)
    assert answer.status_code == status
    assert reason in answer.json()["detail"]
    assert world.publisher.trainings == []


async def test_a_full_queue_takes_no_more_and_says_what_to_do(world: World) -> None:
    world.training_queue_limit = 2
    world.ledger.queued[Queue.TRAIN] = 1
    assert (await sent(world)).status_code == 202
    world.ledger.queued[Queue.TRAIN] = 2
    answer = await sent(world)
    assert answer.status_code == 429
    assert "EUGUESS_TRAINING_QUEUE_LIMIT" in answer.json()["detail"]
    assert len(world.publisher.trainings) == 1


async def test_a_broker_that_is_down_is_reported(world: World) -> None:
    world.publisher.is_down = True
    answer = await sent(world)
    assert answer.status_code == 503
    assert "broker" in answer.json()["detail"]


async def test_a_full_redis_is_reported_and_accepts_no_training_run(world: World) -> None:
    world.ledger.is_full = True
    answer = await sent(world)
    assert answer.status_code == 503
    assert "Redis" in answer.json()["detail"]
    assert world.publisher.trainings == []


async def test_the_api_documents_an_example(world: World) -> None:
    operation = world.app.openapi()["paths"]["/trainings"]["post"]
    example = operation["requestBody"]["content"]["application/json"]["examples"]["small"]
    assert (await sent(world, **example["value"])).status_code == 202
