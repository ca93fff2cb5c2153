"""A damaged record costs its own slot or dataset, and nothing else."""

from collections.abc import AsyncIterator

import httpx
import pytest
from redis.exceptions import ResponseError

from euguess.collection.layout import budget_key, slot_key, spec_key
from euguess.messages.collection import (
    MAX_REASON_LENGTH,
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)
from services.sampler.controller import Limits
from tests.support.sampler_fakes import World, always

SPEC = DatasetSpec(name="demo", quotas={"FR": 20}, max_candidates=40)
OTHER = SPEC.model_copy(update={"name": "other"})
FR0 = SlotKey(country_code="FR", index=0)
NOT_FINAL = (
    b'{"dataset": "demo", "slot": {"country_code": "FR", "index": 0}, "fence": 1, '
    b'"status": "retry", "finished_at": "2026-01-01T00:00:00Z"}'
)
OF_ANOTHER_SLOT = NOT_FINAL.replace(b'"index": 0', b'"index": 5').replace(b"retry", b"stored")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def client(world: World) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(world.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        yield client


async def complete(world: World, name: str) -> DatasetStatus:
    return await world.run(name)


@pytest.mark.parametrize("body", [b"", b"{", NOT_FINAL, OF_ANOTHER_SLOT, b"\xff\xfe"])
async def test_a_damaged_slot_counts_as_failed_and_its_object_is_kept(
    world: World, body: bytes
) -> None:
    await world.service.create(SPEC)
    await world.store.put(slot_key("demo", FR0), body)
    await world.restart()
    status = await complete(world, "demo")
    assert (status.total.stored, status.total.failed) == (19, 1)
    assert status.failures == {"the record datasets/demo/slots/FR/0.json is damaged": 1}
    assert await world.store.get(slot_key("demo", FR0)) == body
    assert FR0 not in await world.ledger.outcomes("demo")
    (letter,) = world.ledger.letters
    assert letter.payload == {"key": slot_key("demo", FR0)}


async def test_a_slot_whose_record_was_damaged_meanwhile_ends_as_failed(world: World) -> None:
    world.fetchers.answer = always(SlotStatus.EXHAUSTED)
    await world.service.create(SPEC.model_copy(update={"quotas": {"FR": 1}}))
    await world.round()
    await world.store.put(slot_key("demo", FR0), b"{")
    assert (await complete(world, "demo")).failures == {
        "the record datasets/demo/slots/FR/0.json is damaged": 1
    }


async def test_records_that_belong_to_no_slot_are_ignored(world: World) -> None:
    await world.service.create(SPEC)
    for name in ("FR/first", "FR/007", "XX/1", "FR/1000", "nothing"):
        await world.store.put(f"datasets/demo/slots/{name}.json", b"{")
    await world.restart()
    assert (await complete(world, "demo")).total.stored == 20


async def test_a_damaged_specification_affects_only_its_dataset(
    world: World, client: httpx.AsyncClient
) -> None:
    await world.store.put(spec_key("broken"), b"{")
    await world.store.put(spec_key("copy"), OTHER.model_dump_json().encode())
    await world.service.create(SPEC)
    await world.restart()
    assert (await complete(world, "demo")).total.stored == 20
    assert [status.spec.name for status in await world.service.statuses()] == ["demo"]
    assert {letter.payload["key"] for letter in world.ledger.letters} == {
        spec_key("broken"),
        spec_key("copy"),
    }


async def test_a_damaged_specification_is_named_on_request(
    world: World, client: httpx.AsyncClient
) -> None:
    await world.store.put(spec_key("broken"), b"{")
    answer = await client.get("/datasets/broken")
    assert answer.status_code == 500
    assert "datasets/broken/dataset.json is damaged" in answer.json()["detail"]
    assert "euguess dataset audit broken" in answer.json()["detail"]
    assert (await client.get("/datasets")).json() == []
    metrics = (await client.get("/metrics")).text
    assert 'euguess_damaged_records{dataset="broken"} 1.0' in metrics


async def test_a_damaged_budget_pauses_only_its_collection_until_it_is_set_again(
    world: World,
) -> None:
    await world.service.create(SPEC)
    await world.service.create(OTHER)
    await world.store.put(budget_key("demo"), b"{")
    await world.restart()
    assert (await complete(world, "other")).total.stored == 20
    paused = world.status("demo")
    assert (paused.state, paused.total.pending) == (DatasetState.PAUSED, 20)
    assert "datasets/demo/budget.json is damaged" in (paused.reason or "")
    await world.service.set_budget("demo", Budget())
    assert (await complete(world, "demo")).total.stored == 20


async def test_a_reason_that_is_as_long_as_possible_can_be_completed() -> None:
    world = World(Limits(reconcile_seconds=0, max_failures=1))
    world.fetchers.reason = "x" * MAX_REASON_LENGTH
    world.fetchers.answer = always(SlotStatus.RETRY)
    await world.service.create(SPEC)
    (reason,) = (await complete(world, "demo")).failures
    assert reason.endswith("x (1 attempts)")
    assert len(reason) == MAX_REASON_LENGTH


async def test_an_outcome_that_cannot_be_applied_is_a_dead_letter(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.service.create(SPEC)
    apply = world.controller._apply

    async def fails(outcome: SlotOutcome) -> None:
        if outcome.slot == FR0:
            raise KeyError("bug")
        await apply(outcome)

    monkeypatch.setattr(world.controller, "_apply", fails)
    for _ in range(3):
        await world.round()
    assert world.status("demo").total.stored == 19
    assert {letter.reason for letter in world.ledger.letters} == {
        "cannot be applied: an unexpected error (KeyError); the sampler's log has the details"
    }


@pytest.mark.parametrize(
    "error",
    [
        ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value"),
        ValueError("invalid literal"),
    ],
    ids=["Redis", "bug"],
)
async def test_an_error_of_one_collection_pauses_only_that_one(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    await world.service.create(SPEC)
    await world.service.create(OTHER)
    leases = world.ledger.leases

    async def fail(dataset: str) -> object:
        if dataset == "demo":
            raise error
        return await leases(dataset)

    with monkeypatch.context() as patch:
        patch.setattr(world.ledger, "leases", fail)
        assert (await complete(world, "other")).total.stored == 20
        assert world.status("demo").state is DatasetState.PAUSED
        assert type(error).__name__ in (world.status("demo").reason or "")
        assert await world.service.problems() == {}
    assert (await complete(world, "demo")).total.stored == 20


async def test_slots_that_cannot_be_published_are_given_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    big = SPEC.model_copy(update={"quotas": {"FR": 120}})
    await world.service.create(big)

    def fail(_: object) -> None:
        raise ValueError("bug")

    with monkeypatch.context() as patch:
        patch.setattr(world.publisher, "publish", fail)
        await world.controller.round()
    assert world.controller.outstanding == 0
    assert (await complete(world, "demo")).total.stored == 120
