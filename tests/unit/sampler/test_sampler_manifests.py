"""The manifest is complete once a collection is."""

import asyncio

import pytest

from euguess.collection.manifest import read_manifest
from euguess.errors import ObjectNotFound
from euguess.messages.collection import DatasetSpec
from services.sampler.manifests import ManifestWriter
from tests.support.sampler_fakes import FlakyStore, World
from tests.support.stored_datasets import DatasetBuilder


async def places(store: FlakyStore, name: str) -> int:
    table, _ = await read_manifest(store, name)
    return len(set(table.column("location_id").to_pylist()))


async def settle(writer: ManifestWriter, names: set[str]) -> None:
    for _ in range(200):
        writer.tend(names)
        await asyncio.sleep(0.01)
        if names <= writer.written:
            return
    raise AssertionError("no manifest after 2 seconds")


async def test_each_collection_that_completes_gets_a_complete_manifest() -> None:
    store = FlakyStore()
    await DatasetBuilder(store, "one").fill({"FR": 3})
    await DatasetBuilder(store, "two").fill({"PL": 2})
    writer = ManifestWriter(store)
    await settle(writer, {"one", "two"})
    assert (await places(store, "one"), await places(store, "two")) == (3, 2)


async def test_an_outage_of_the_store_only_delays_a_manifest() -> None:
    store = FlakyStore()
    await DatasetBuilder(store, "one").fill({"FR": 3})
    writer = ManifestWriter(store)
    store.is_down = True
    writer.tend({"one"})
    await asyncio.sleep(0.05)
    store.is_down = False
    await settle(writer, {"one"})
    assert await places(store, "one") == 3


async def test_a_collection_that_was_repaired_gets_another_manifest() -> None:
    store = FlakyStore()
    builder = DatasetBuilder(store, "one")
    await builder.fill({"FR": 2})
    writer = ManifestWriter(store)
    await settle(writer, {"one"})
    writer.tend(set())
    await builder.add_location("FR", 2)
    await settle(writer, {"one"})
    assert await places(store, "one") == 3


async def test_the_controller_names_only_complete_collections() -> None:
    named: list[list[str]] = []
    world = World(tend_complete=lambda names: named.append(list(names)))
    await world.service.create(DatasetSpec(name="demo", quotas={"FR": 2}))
    await world.run()
    await world.controller.round()
    assert named[0] == []
    assert named[-1] == ["demo"]


async def test_a_dataset_without_places_gets_none() -> None:
    store = FlakyStore()
    await DatasetBuilder(store, "one").create({"FR": 2})
    await settle(ManifestWriter(store), {"one"})
    with pytest.raises(ObjectNotFound):
        await read_manifest(store, "one")
