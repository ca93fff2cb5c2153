"""Collections whose budget is spent, with fakes."""

from collections.abc import AsyncIterator

import httpx
import pytest

from euguess.collection.budget import Sum
from euguess.collection.layout import budget_key, images_prefix
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
)
from tests.support.sampler_fakes import World

SPEC = DatasetSpec(name="demo", quotas={"FR": 4}, max_candidates=16, budget=Budget(images=12))


@pytest.fixture
async def world() -> World:
    world = World()
    await world.service.create(SPEC)
    return world


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def spend(world: World, images: int) -> None:
    world.accounts.sums["demo"] = Sum(images)
    await world.controller.round()


async def test_a_spent_budget_pauses_and_nothing_is_published_until_it_is_raised(
    world: World, client: httpx.AsyncClient
) -> None:
    await spend(world, 10)
    status = world.status()
    assert (status.state, status.is_budget_spent) == (DatasetState.PAUSED, True)
    assert status.reason == "the budget of 12 images is spent"
    assert (status.total.pending, status.images_spent) == (4, 10)
    for _ in range(3):
        await world.controller.round()
    assert world.publisher.messages == []
    answer = await client.put("/datasets/demo/budget", json={"images": 22})
    assert DatasetStatus.model_validate_json(answer.content).budget == Budget(images=22)
    assert (await world.run()).state is DatasetState.COMPLETE


async def test_a_raised_budget_outlives_the_sampler_and_redis(
    world: World, client: httpx.AsyncClient
) -> None:
    await client.put("/datasets/demo/budget", json={"images": 30, "dollars": 1})
    world.lose_redis()
    await world.restart()
    assert world.status().budget == Budget(images=30, dollars=1)
    assert world.accounts.budgets["demo"] == Budget(images=30, dollars=1)
    await client.put("/datasets/demo/budget", json={})
    await world.restart()
    assert world.status().budget is None


async def test_a_lost_account_is_opened_from_what_is_stored(world: World) -> None:
    for heading in (0, 120, 240):
        await world.store.put(f"{images_prefix('demo')}FR/simulator-a/{heading}.jpg", b"image")
    world.lose_redis()
    await world.controller.round()
    assert world.accounts.sums["demo"] == Sum(3)
    assert world.status().images_spent == 3


async def test_the_budget_is_part_of_the_specification(client: httpx.AsyncClient) -> None:
    same, other = SPEC.model_dump(mode="json"), {**SPEC.model_dump(mode="json"), "budget": None}
    assert (await client.post("/datasets", json=same)).status_code == 202
    assert (await client.post("/datasets", json=other)).status_code == 409


@pytest.mark.parametrize("body", [{"images": -1}, {"dollars": -0.5}, {"coins": 3}])
async def test_an_impossible_budget_is_refused(
    client: httpx.AsyncClient, body: dict[str, object]
) -> None:
    assert (await client.put("/datasets/demo/budget", json=body)).status_code == 422


async def test_the_budget_of_an_unknown_dataset_is_refused(client: httpx.AsyncClient) -> None:
    assert (await client.put("/datasets/other/budget", json={"images": 1})).status_code == 404


async def test_spending_and_budget_are_exported_as_metrics(
    world: World, client: httpx.AsyncClient
) -> None:
    await spend(world, 6)
    text = (await client.get("/metrics")).text
    assert 'euguess_images_spent{dataset="demo"} 6.0' in text
    assert 'euguess_budget{dataset="demo",unit="images"} 12.0' in text


async def test_a_budget_changes_nothing_while_redis_is_down(
    world: World, client: httpx.AsyncClient
) -> None:
    world.ledger.is_down = True
    answer = await client.put("/datasets/demo/budget", json={"images": 30})
    assert answer.status_code == 503
    assert world.status().budget == SPEC.budget
    assert not await world.store.exists(budget_key("demo"))


async def test_a_budget_that_redis_did_not_confirm_is_applied_once_it_answers(
    world: World, client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(world.accounts, "cap", _no_answer)
        answer = await client.put("/datasets/demo/budget", json={"images": 30})
    assert answer.status_code == 503
    assert "stored" in answer.json()["detail"]
    assert "once Redis answers" in answer.json()["detail"]
    assert world.status().budget == Budget(images=30)
    await world.controller.round()
    assert world.accounts.budgets["demo"] == Budget(images=30)


async def _no_answer(*_: object) -> None:
    raise TimeoutError
