"""Auditing and repairing a dataset in the store."""

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from euguess.cli.main import app
from euguess.clock import utc_now
from euguess.collection.audit import DatasetAudit, audit
from euguess.collection.budget import Sum
from euguess.collection.datasets import stored_status
from euguess.collection.layout import (
    budget_key,
    location_key,
    slot_key,
    spec_key,
    stopped_key,
    view_key,
)
from euguess.collection.receipts import new_receipt, write_receipt
from euguess.collection.repair import repair
from euguess.errors import DatasetNotFound
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    SlotKey,
    SlotOutcome,
    SlotStatus,
    ViewRecord,
)
from euguess.process.exits import run_command
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store

SPEC = DatasetSpec(name="demo", quotas={"FR": 3}, headings=(0, 120))
IMAGE = b"image"
IMAGE_SHA256 = hashlib.sha256(IMAGE).hexdigest()


def slot(index: int) -> SlotKey:
    return SlotKey(country_code="FR", index=index)


@dataclass
class Dataset:
    """A dataset that is stored completely and can be damaged."""

    store: ObjectStore
    slots: list[str] = field(default_factory=list)
    locations: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    async def fill(self) -> None:
        await self.store.put(spec_key("demo"), SPEC.model_dump_json().encode())
        for index in range(3):
            await self._add(slot(index), f"simulator-{index}")

    async def _add(self, of: SlotKey, location_id: str) -> None:
        keys = [view_key("demo", "FR", location_id, heading) for heading in SPEC.headings]
        await write_receipt(self.store, new_receipt("demo", location_id, Sum(2, 14_000)))
        for key in keys:
            await self.store.put(key, IMAGE)
        location = location_key("demo", "FR", location_id)
        await self.store.put(location, _location(of, location_id, keys).model_dump_json().encode())
        outcome = SlotOutcome(
            dataset="demo",
            slot=of,
            fence=7,
            status=SlotStatus.STORED,
            location_id=location_id,
            images=2,
            finished_at=utc_now(),
        )
        await self.store.put(slot_key("demo", of), outcome.model_dump_json().encode())
        self.slots.append(slot_key("demo", of))
        self.locations.append(location)
        self.images += keys

    async def find(self, *, checksums: bool = False) -> DatasetAudit:
        return await audit(self.store, "demo", checksums=checksums)

    async def repair(self, found: DatasetAudit) -> list[str]:
        return await repair(self.store, "demo", found.findings)


def _location(of: SlotKey, location_id: str, keys: Sequence[str]) -> LocationRecord:
    views = [
        ViewRecord(
            key=key, heading=heading, sha256=IMAGE_SHA256, bytes=len(IMAGE), width=1, height=1
        )
        for key, heading in zip(keys, SPEC.headings, strict=True)
    ]
    return LocationRecord(
        location_id=location_id,
        dataset="demo",
        slot=of,
        provider="simulator",
        panorama_id=location_id,
        country_code="FR",
        lat=47,
        lon=2,
        attribution="me",
        license="CC0",
        views=tuple(views),
        fetched_at=utc_now(),
    )


@pytest.fixture
async def dataset(memory_store: ObjectStore) -> Dataset:
    dataset = Dataset(memory_store)
    await dataset.fill()
    return dataset


def pairs(found: DatasetAudit) -> list[tuple[str, str]]:
    return [(finding.kind.value, finding.key) for finding in found.findings]


async def test_an_intact_dataset_has_no_findings(dataset: Dataset) -> None:
    found = await dataset.find(checksums=True)
    assert found == DatasetAudit(dataset="demo", slots=3, locations=3, images=6, paid_images=6)


async def test_a_dataset_that_does_not_exist_is_named(memory_store: ObjectStore) -> None:
    with pytest.raises(DatasetNotFound, match="nothing"):
        await audit(memory_store, "nothing")


async def test_a_damaged_slot_is_rebuilt_from_its_location(dataset: Dataset) -> None:
    await dataset.store.put(dataset.slots[1], b"{")
    found = await dataset.find()
    assert pairs(found) == [("damaged_slot", dataset.slots[1])]
    assert await dataset.repair(found) == [
        "moved datasets/demo/slots/FR/1.json to datasets/demo/damaged/slots/FR/1.json",
        "rebuilt datasets/demo/slots/FR/1.json from the location simulator-1",
    ]
    assert (await dataset.find()).findings == ()
    assert await dataset.store.get("datasets/demo/damaged/slots/FR/1.json") == b"{"
    status = await stored_status(dataset.store, "demo")
    assert (status.total.stored, status.images, status.failures) == (3, 6, {})


async def test_a_damaged_slot_without_a_location_is_collected_again(dataset: Dataset) -> None:
    await dataset.store.put(dataset.slots[1], b"{")
    await dataset.store.delete(dataset.locations[1])
    found = await dataset.find()
    assert len(await dataset.repair(found)) == 1
    again = await dataset.find()
    assert (again.findings, again.unrecorded_images) == ((), tuple(dataset.images[2:4]))
    assert (await stored_status(dataset.store, "demo")).total.pending == 1


async def test_a_missing_slot_is_rebuilt_from_its_location(dataset: Dataset) -> None:
    await dataset.store.delete(dataset.slots[2])
    found = await dataset.find()
    assert pairs(found) == [("location_without_slot", dataset.locations[2])]
    assert found.is_collecting
    assert len(await dataset.repair(found)) == 1
    assert (await stored_status(dataset.store, "demo")).total.stored == 3


async def test_a_slot_whose_location_is_gone_or_damaged_is_collected_again(
    dataset: Dataset,
) -> None:
    await dataset.store.delete(dataset.locations[0])
    await dataset.store.put(dataset.locations[1], b"{")
    found = await dataset.find()
    assert pairs(found) == [
        ("damaged_location", dataset.locations[1]),
        ("slot_without_location", dataset.slots[0]),
        ("slot_without_location", dataset.slots[1]),
    ]
    assert len(await dataset.repair(found)) == 3
    assert (await dataset.find()).findings == ()
    assert (await stored_status(dataset.store, "demo")).total.pending == 2


async def test_changed_and_missing_images_are_collected_again(dataset: Dataset) -> None:
    await dataset.store.put(dataset.images[0], b"other")
    await dataset.store.delete(dataset.images[2])
    assert pairs(await dataset.find()) == [("missing_image", dataset.images[2])]
    found = await dataset.find(checksums=True)
    assert pairs(found)[1:] == [("changed_image", dataset.images[0])]
    await dataset.repair(found)
    again = await dataset.find(checksums=True)
    assert again.findings == ()
    assert again.unrecorded_images == (dataset.images[1], dataset.images[3])
    assert (again.paid_images, again.unused_images) == (6, 4)
    assert (await stored_status(dataset.store, "demo")).total.pending == 2


async def test_what_was_paid_for_and_is_not_used_is_counted_but_needs_no_repair(
    dataset: Dataset,
) -> None:
    await write_receipt(dataset.store, new_receipt("demo", "simulator-lost", Sum(2, 14_000)))
    orphan = view_key("demo", "FR", "simulator-lost", 0)
    await dataset.store.put(orphan, IMAGE)
    found = await dataset.find()
    assert (found.findings, found.unrecorded_images) == ((), (orphan,))
    assert (found.paid_images, found.unused_images) == (8, 2)
    assert len(found.unused_receipts) == 1


async def test_objects_that_are_no_slots_are_moved_aside(dataset: Dataset) -> None:
    keys = [f"datasets/demo/slots/{name}.json" for name in ("FR/007", "FR/9", "FR/x")]
    for key in keys:
        await dataset.store.put(key, await dataset.store.get(dataset.slots[0]))
    found = await dataset.find()
    assert pairs(found) == [("damaged_slot", key) for key in keys]
    await dataset.repair(found)
    assert (await dataset.find()).findings == ()
    assert (await stored_status(dataset.store, "demo")).total.stored == 3


async def test_a_damaged_specification_and_budget_are_left_to_a_person(dataset: Dataset) -> None:
    await dataset.store.put(budget_key("demo"), b"{")
    found = await dataset.find()
    assert pairs(found) == [("damaged_budget", budget_key("demo"))]
    assert await dataset.repair(found) == []
    await dataset.store.put(spec_key("demo"), b"{")
    found = await dataset.find()
    assert pairs(found) == [("damaged_spec", spec_key("demo"))]
    assert await dataset.repair(found) == []


async def test_a_second_damaged_object_of_a_key_does_not_replace_the_first(
    dataset: Dataset,
) -> None:
    for body in (b"first", b"second"):
        await dataset.store.put(dataset.slots[1], body)
        await dataset.repair(await dataset.find())
    aside = "datasets/demo/damaged/slots/FR/1.json"
    assert await dataset.store.get(aside) == b"first"
    assert await dataset.store.get(f"{aside}.1") == b"second"


async def test_a_stopped_collection_is_not_in_progress(dataset: Dataset) -> None:
    await dataset.store.delete(dataset.slots[2])
    await dataset.store.put(stopped_key("demo"), b"{}")
    assert not (await dataset.find()).is_collecting


async def test_imported_datasets_have_no_slots(dataset: Dataset) -> None:
    imported = SPEC.model_copy(update={"provider": "folder"})
    await dataset.store.put(spec_key("demo"), imported.model_dump_json().encode())
    for key in dataset.slots:
        await dataset.store.delete(key)
    await dataset.store.put(dataset.locations[0], b"{")
    assert pairs(await dataset.find()) == [("damaged_location", dataset.locations[0])]


def test_the_command_repairs_and_says_what_it_did(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_store_a_damaged_dataset())
    assert "damaged slot: 1" in _run(monkeypatch, capsys, exits=1)
    repaired = _run(monkeypatch, capsys, "--repair")
    assert "rebuilt datasets/demo/slots/FR/1.json from the location simulator-1" in repaired
    assert "No repair is needed." in repaired
    found = json.loads(_run(monkeypatch, capsys, "--json"))
    assert (found["slots"], found["findings"], found["repaired"]) == (3, [], [])


def test_a_damaged_specification_does_not_hide_other_datasets(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(_store_a_damaged_dataset())
    asyncio.run(_damage_a_specification("broken"))
    monkeypatch.setattr("sys.argv", ["euguess", "dataset", "status", "--json"])
    with pytest.raises(SystemExit):
        run_command(app, name="euguess")
    printed = capsys.readouterr()
    assert [status["spec"]["name"] for status in json.loads(printed.out)] == ["demo"]
    assert "euguess dataset audit broken" in printed.err


async def _damage_a_specification(name: str) -> None:
    store = await open_store(StoreSettings.load())
    await store.put(spec_key(name), b"{")


async def _store_a_damaged_dataset() -> None:
    dataset = Dataset(await open_store(StoreSettings.load()))
    await dataset.fill()
    await dataset.store.put(dataset.slots[1], b"{")


def _run(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *options: str,
    exits: int = 0,
) -> str:
    arguments = ["euguess", "dataset", "audit", "demo", *options]
    monkeypatch.setattr("sys.argv", arguments)
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        run_command(app, name="euguess")
    assert int(ended.value.code or 0) == exits
    return capsys.readouterr().out
