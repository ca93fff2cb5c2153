"""Copying stores, merging audit logs, and addresses of the files of runs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from euguess.errors import StoreError, StoreUnavailable
from euguess.promotion.audit import AuditEntry, Decision, append, read_log
from euguess.promotion.merging import merge_logs
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from euguess.storage.copying import copy_objects
from euguess.storage.local import memory_store as new_memory_store
from euguess.storage.objects import Objects
from euguess.training.artifacts import readable_address
from tests.support.promotions import audit_entry


def silent(_done: int, _total: int) -> None:
    pass


def at_hour(hour: int, number: int, version: str) -> AuditEntry:
    entry = audit_entry(number, Decision.PROMOTED, version)
    return entry.model_copy(update={"at": datetime(2026, 1, 1, hour, tzinfo=UTC)})


async def test_copies_never_replace_objects_and_name_those_that_differ() -> None:
    source, target = new_memory_store(), new_memory_store()
    for key in ("a", "b", "c"):
        await source.put(key, key.encode())
    await target.put("b", b"another")
    assert await copy_objects(source, target, ["a", "b", "c"], silent) == ["b"]
    assert [await target.get(key) for key in ("a", "b", "c")] == [b"a", b"another", b"c"]
    assert await copy_objects(source, target, ["a", "c"], silent) == []


class Damaging(Objects):
    """A store that damages what it writes."""

    async def create(self, key: str, data: bytes) -> bool:
        return await super().create(key, data[:-1])


async def test_a_copy_that_differs_from_its_original_is_an_error() -> None:
    source, sound = new_memory_store(), new_memory_store()
    await source.put("a", b"data")
    damaging = Damaging(sound._backend, sound._label)
    with pytest.raises(StoreError, match="The copy of a differs"):
        await copy_objects(source, damaging, ["a"], silent)


async def versions(store: ObjectStore) -> list[tuple[int, str]]:
    return [(entry.number, entry.version) for entry in await read_log(store)]


async def test_merged_logs_are_in_order_of_time_and_merging_again_changes_nothing(
    tmp_path: Path,
) -> None:
    source, target = new_memory_store(), new_memory_store()
    await append(source, at_hour(2, 1, "2"))
    await append(target, at_hour(1, 1, "1"))
    await append(target, at_hour(3, 2, "3"))
    for _ in range(2):
        await merge_logs(source, target, tmp_path / "journal")
        assert await versions(target) == [(1, "1"), (2, "2"), (3, "3")]
    assert list(tmp_path.iterdir()) == []


class Failing(Objects):
    """A store that fails at its second write."""

    writes = 0

    async def put(self, key: str, data: bytes) -> None:
        self.writes += 1
        if self.writes == 2:
            raise StoreUnavailable("The disk is full.")
        await super().put(key, data)


async def test_an_interrupted_merge_loses_no_decision(tmp_path: Path) -> None:
    source, target = new_memory_store(), new_memory_store()
    await append(source, at_hour(1, 1, "1"))
    await append(target, at_hour(2, 1, "2"))
    with pytest.raises(StoreUnavailable):
        await merge_logs(source, Failing(target._backend, target._label), tmp_path / "journal")
    await merge_logs(source, target, tmp_path / "journal")
    assert await versions(target) == [(1, "1"), (2, "2")]


@pytest.mark.parametrize(
    ("address", "url", "readable"),
    [
        ("mlflow-artifacts:/1/r", "http://127.0.0.1:1", "mlflow-artifacts:/1/r"),
        ("mlflow-artifacts:/1/r", "sqlite:////home/mlflow.db", "file:///home/mlflow-artifacts/1/r"),
        ("file:///elsewhere/r", "sqlite:////home/mlflow.db", "file:///elsewhere/r"),
    ],
)
def test_files_of_runs_are_found_with_and_without_a_server(
    address: str, url: str, readable: str
) -> None:
    assert readable_address(address, url) == readable


async def test_a_part_of_the_datasets_is_never_shown_as_if_it_were_all(home: Path) -> None:
    (home / "s3").mkdir(parents=True)
    with pytest.raises(StoreUnavailable, match="euguess up"):
        await open_store(StoreSettings.load())
