"""The manifest lists committed locations in a fixed order and detects damage."""

import pytest

from euguess.collection.layout import location_key, manifest_key
from euguess.collection.providers import ProviderName
from euguess.errors import (
    ChecksumMismatch,
    DatasetNotFound,
    InvalidInput,
    ObjectNotFound,
    StoreError,
)
from euguess.messages.collection import SlotStatus
from euguess.storage import ObjectStore
from euguess.storage.local import memory_store
from services.trainer.dataset.manifest import build_manifest, load_manifest
from tests.support.stored_datasets import CountingStore, DatasetBuilder


@pytest.fixture
def builder(memory_store: ObjectStore) -> DatasetBuilder:
    return DatasetBuilder(memory_store)


async def test_a_manifest_has_one_row_per_view_sorted_by_country_location_and_heading(
    builder: DatasetBuilder,
) -> None:
    await builder.fill({"PL": 2, "FR": 1})
    rows = (await build_manifest(builder.store, "demo")).table.to_pylist()
    assert [(row["location_id"], row["heading"]) for row in rows] == [
        (f"simulator-{place}", heading)
        for place in ("FR0", "PL0", "PL1")
        for heading in (0.0, 120.0, 240.0)
    ]
    assert rows[3]["slot_index"] == 0
    assert rows[3]["key"] == "datasets/demo/images/PL/simulator-PL0/0.jpg"
    assert rows[3]["license"] == "CC0"


async def test_a_loaded_manifest_equals_the_built_one(builder: DatasetBuilder) -> None:
    await builder.fill({"FR": 2})
    built = await build_manifest(builder.store, "demo")
    loaded = await load_manifest(builder.store, "demo")
    assert loaded.digest == built.digest
    assert loaded.table.equals(built.table)
    assert len(loaded) == 6
    assert len(set(loaded.views.location_ids)) == 2


async def test_the_digest_depends_on_the_rows_and_not_on_the_order_of_collection() -> None:
    digests = []
    for order in ((0, 1, 2), (2, 0, 1), (0, 1)):
        builder = DatasetBuilder(memory_store())
        await builder.create({"FR": 3})
        for index in order:
            await builder.add_location("FR", index)
        digests.append((await build_manifest(builder.store, "demo")).digest)
    assert digests[0] == digests[1] != digests[2]


async def test_records_that_no_stored_outcome_names_are_ignored(builder: DatasetBuilder) -> None:
    await builder.fill({"FR": 1})
    await builder.add_record("FR", 1)  # the fetcher was killed before the outcome
    await builder.add_record("FR", 2, panorama="first")  # and here another one finished the slot
    await builder.add_location("FR", 2, panorama="second")
    await builder.add_outcome("FR", 3, SlotStatus.NO_COVERAGE)
    manifest = await build_manifest(builder.store, "demo")
    assert set(manifest.views.location_ids) == {"simulator-FR0", "simulator-second"}


async def test_imported_locations_need_no_outcome(memory_store: ObjectStore) -> None:
    builder = DatasetBuilder(memory_store, provider=ProviderName.FOLDER)
    await builder.fill({"FR": 2})
    manifest = await build_manifest(memory_store, "demo")
    assert len(manifest) == 6
    assert manifest.table.column("slot_index").null_count == 6


@pytest.mark.parametrize("provider", ["simulator", ProviderName.FOLDER])
async def test_a_grown_dataset_reads_only_the_new_locations(
    memory_store: ObjectStore, provider: str
) -> None:
    builder = DatasetBuilder(memory_store, provider=provider)
    await builder.fill({"FR": 4})
    await build_manifest(memory_store, "demo")
    await builder.add_location("FR", 4)
    counting = CountingStore(memory_store)
    grown = await build_manifest(counting, "demo")
    assert counting.reads["locations"] == 1
    assert counting.reads["slots"] == (provider != ProviderName.FOLDER)
    await memory_store.delete(manifest_key("demo"))
    assert (await build_manifest(memory_store, "demo")).digest == grown.digest


async def test_a_location_deleted_from_the_store_leaves_the_manifest(
    builder: DatasetBuilder,
) -> None:
    await builder.fill({"FR": 2})
    await build_manifest(builder.store, "demo")
    await builder.store.delete(location_key("demo", "FR", "simulator-FR0"))
    manifest = await build_manifest(builder.store, "demo")
    assert set(manifest.views.location_ids) == {"simulator-FR1"}


async def test_progress_reaches_the_number_of_new_locations(builder: DatasetBuilder) -> None:
    await builder.fill({"FR": 3})
    seen: list[tuple[int, int]] = []
    await build_manifest(builder.store, "demo", progress=lambda *step: seen.append(step))
    assert seen == [(1, 3), (2, 3), (3, 3)]


async def test_an_empty_dataset_names_the_status_command(builder: DatasetBuilder) -> None:
    await builder.create({"FR": 1})
    with pytest.raises(InvalidInput, match="euguess dataset status demo"):
        await build_manifest(builder.store, "demo")


async def test_an_unknown_dataset_is_named(memory_store: ObjectStore) -> None:
    with pytest.raises(DatasetNotFound, match="nowhere"):
        await build_manifest(memory_store, "nowhere")


async def test_loading_before_building_names_the_command_that_builds_it(
    memory_store: ObjectStore,
) -> None:
    with pytest.raises(ObjectNotFound, match="euguess dataset export"):
        await load_manifest(memory_store, "demo")


@pytest.mark.parametrize("fault", ["not parquet", "cut", "flipped"])
async def test_a_damaged_manifest_is_refused_and_rebuilt(
    builder: DatasetBuilder, fault: str
) -> None:
    await builder.fill({"FR": 2})
    built = await build_manifest(builder.store, "demo")
    data = bytearray(await builder.store.get(manifest_key("demo")))
    data[20] ^= 0xFF
    damaged = {"not parquet": b"hello", "cut": bytes(data[:-30]), "flipped": bytes(data)}[fault]
    await builder.store.put(manifest_key("demo"), damaged)
    with pytest.raises(ChecksumMismatch, match="rebuild it"):
        await load_manifest(builder.store, "demo")
    assert (await build_manifest(builder.store, "demo")).digest == built.digest


async def test_a_damaged_record_is_named(builder: DatasetBuilder) -> None:
    await builder.fill({"FR": 1})
    key = location_key("demo", "FR", "simulator-FR0")
    await builder.store.put(key, b'{"location_id": "x"}')
    with pytest.raises(StoreError, match=key):
        await build_manifest(builder.store, "demo")
