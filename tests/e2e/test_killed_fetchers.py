"""Fetchers killed during a collection: no slot is lost, and none is stored twice."""

import asyncio
import contextlib
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from euguess.clients import SamplerClient
from euguess.collection.layout import dataset_prefix, locations_prefix, slots_prefix
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    LocationRecord,
    SlotOutcome,
    SlotStatus,
)
from euguess.process.programs import find_redis
from euguess.settings import HOME_STORE, StoreSettings
from euguess.stack.credentials import load_credentials
from euguess.stack.plan import Port, StackPlan
from euguess.stack.processes import ServerSpec
from euguess.stack.supervisor import Supervisor, supervised
from euguess.storage import ObjectStore, open_store
from tests.e2e.running import free_port_base

pytestmark = pytest.mark.timeout(900)

KILLS = 20
SLOTS = 1000
COUNTRIES = ("DE", "ES", "FR", "GB", "IT", "PL", "RO", "SE", "FI", "NL")
SPEC = DatasetSpec(name="storm", quotas=dict.fromkeys(COUNTRIES, SLOTS // len(COUNTRIES)), seed=3)
COMPLETE_SECONDS = 600


@dataclass(frozen=True)
class Collection:
    """A running collection without trainer, model server and dashboard."""

    plan: StackPlan
    supervisor: Supervisor
    sampler: SamplerClient
    store_settings: StoreSettings


def store_settings(plan: StackPlan) -> StoreSettings:
    return StoreSettings(store_url=f"file://{plan.home / HOME_STORE}")


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    home = tmp_path_factory.mktemp("storm")
    plan = StackPlan(
        home=home,
        port_base=free_port_base(),
        credentials=load_credentials(home),
        redis_program=find_redis(),
        # A lost lease is found within seconds, so that twenty kills fit into a test.
        extra_variables=(("EUGUESS_LEASE_SECONDS", "5"),),
    )
    supervisor = Supervisor(home / "logs", print, lambda *_: None, first_delay_seconds=0)
    stores = [spec for spec in plan.stores() if spec.name != "mlflow"]

    def services() -> list[ServerSpec]:
        return [spec for spec in plan.services() if spec.name in ("sampler", "fetcher")]

    with (
        supervised(supervisor, [lambda: stores, services]),
        SamplerClient(plan.address(Port.SAMPLER)) as client,
    ):
        yield Collection(plan, supervisor, client, store_settings(plan))


def kill_fetchers(collection: Collection, chance: random.Random) -> int:
    """SIGKILL the worker with its pool, at random times, while slots are pending."""
    kills = 0
    while kills < KILLS and collection.sampler.status(SPEC.name).total.pending:
        time.sleep(chance.uniform(0.5, 2.0))
        with contextlib.suppress(KeyError, ProcessLookupError):  # while it is being restarted
            os.killpg(collection.supervisor.pids()["fetcher"], signal.SIGKILL)
            kills += 1
    return kills


def wait_until_complete(collection: Collection) -> None:
    deadline = time.monotonic() + COMPLETE_SECONDS
    while True:
        status = collection.sampler.status(SPEC.name)  # validates that the counts add up
        if status.state is DatasetState.COMPLETE:
            return
        assert time.monotonic() < deadline, status.total
        time.sleep(0.5)


async def read_records(
    store: ObjectStore,
) -> tuple[list[SlotOutcome], list[LocationRecord], list[str]]:
    async def read(prefix: str) -> list[bytes]:
        keys = [key async for key in store.list(prefix)]
        return await asyncio.gather(*(store.get(key) for key in keys))

    outcomes = [SlotOutcome.model_validate_json(t) for t in await read(slots_prefix(SPEC.name))]
    places = await read(locations_prefix(SPEC.name))
    images = [key async for key in store.list(f"{dataset_prefix(SPEC.name)}images/")]
    return outcomes, [LocationRecord.model_validate_json(text) for text in places], images


async def test_twenty_kills_lose_no_slot_and_store_none_twice(collection: Collection) -> None:
    collection.sampler.create(SPEC)
    assert kill_fetchers(collection, random.Random(7)) == KILLS
    wait_until_complete(collection)
    store = await open_store(collection.store_settings)
    outcomes, places, images = await read_records(store)

    assert len({outcome.slot for outcome in outcomes}) == len(outcomes) == SLOTS
    stored = [outcome for outcome in outcomes if outcome.status is SlotStatus.STORED]
    assert sorted(o.location_id or "" for o in stored) == sorted(p.location_id for p in places)
    assert {o.slot for o in stored} == {place.slot for place in places}
    for view in (view for place in places for view in place.views):
        await store.get(view.key, sha256=view.sha256)
    assert sorted(images) == sorted(v.key for place in places for v in place.views)
    billed_twice = billed_images(collection) - len(images)
    possibly_paid = collection.sampler.status(SPEC.name).possibly_paid
    assert billed_twice <= possibly_paid  # only interrupted calls
    by_status = Counter(outcome.status.value for outcome in outcomes)
    print(dict(by_status), f"{billed_twice} billed twice, {possibly_paid} possibly")  # noqa: T201 - shown with -s
    assert by_status["failed"] == 0


def billed_images(collection: Collection) -> int:
    """Counted by the simulator, not by the code under test."""
    counters = httpx.get(f"{collection.plan.address(Port.SIMULATOR)}/counters").json()
    return int(counters["billed_images"])
