"""Homes of earlier versions, whose stacks kept objects in an S3 server: nothing is lost."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from euguess.errors import DatasetConflict, StoreError, StoreUnavailable
from euguess.messages.collection import DatasetSpec
from euguess.process.ports import free_ports
from euguess.process.programs import SEAWEEDFS, find_program
from euguess.promotion.audit import Decision, append, read_log
from euguess.settings import EARLIER_STORE, HOME_STORE, StoreSettings
from euguess.stack import earlier_store
from euguess.stack.credentials import load_credentials
from euguess.stack.earlier_store import BUCKET, MOVED, move_earlier_store
from euguess.stack.processes import started
from euguess.stack.servers import S3Server, s3_port_count, s3_spec
from euguess.storage import ObjectStore, open_store
from euguess.storage.administration import ensure_bucket
from euguess.storage.copying import Progress, copy_objects
from euguess.storage.local import local_store
from tests.support.promotions import audit_entry

pytestmark = pytest.mark.timeout(120)

OBJECTS = {f"datasets/trip/images/FR/{n}/0.jpg": bytes([n]) * 1000 for n in range(100)}
SPEC = "datasets/trip/dataset.json"


@contextmanager
def earlier_stack(home: Path) -> Iterator[StoreSettings]:
    """The S3 server of a stack as earlier versions started it."""
    credentials, program = load_credentials(home), find_program(SEAWEEDFS)
    server = S3Server(
        program=program,
        ports=free_ports(s3_port_count(program)),
        data=home / EARLIER_STORE,
        access_key=credentials.s3_access_key,
        secret_key=SecretStr(credentials.s3_secret_key),
    )
    settings = StoreSettings(
        store_url=f"s3://{BUCKET}",
        s3_endpoint=server.endpoint,
        s3_access_key=server.access_key,
        s3_secret_key=server.secret_key,
    )
    with started(s3_spec(server), home / "s3.log"):
        ensure_bucket(settings)
        yield settings


def spec(seed: int) -> bytes:
    return DatasetSpec(name="trip", quotas={"FR": 5}, seed=seed).model_dump_json().encode()


@pytest.fixture
async def earlier_home(home: Path) -> Path:
    """A home with a dataset and a decision in the S3 server, and an older decision in a folder."""
    home.mkdir(parents=True)
    folder = local_store(home / HOME_STORE)
    await append(folder, audit_entry(1, Decision.PROMOTED, "1"))
    with earlier_stack(home) as settings:
        store = await open_store(settings)
        for key, data in {SPEC: spec(1), **OBJECTS}.items():
            await store.put(key, data)
        await append(store, audit_entry(1, Decision.PROMOTED, "2", before="1"))
    return home


async def move(home: Path) -> list[str]:
    said: list[str] = []
    await asyncio.to_thread(move_earlier_store, home, load_credentials(home), said.append)
    return said


async def require_everything(store: ObjectStore) -> None:
    for key, data in OBJECTS.items():
        assert await store.get(key) == data
    assert [entry.version for entry in await read_log(store)] == ["1", "2"]


async def test_an_interrupted_move_is_repeated_and_loses_nothing(
    earlier_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(StoreUnavailable, match="euguess up"):
        await open_store(StoreSettings.load())  # would show a part of the home

    async def interrupted(
        source: ObjectStore, target: ObjectStore, keys: Sequence[str], progress: Progress
    ) -> list[str]:
        await copy_objects(source, target, keys[:40], progress)
        raise StoreError("interrupted")

    with monkeypatch.context() as patch:
        patch.setattr(earlier_store, "copy_objects", interrupted)
        with pytest.raises(StoreError, match="interrupted"):
            await move(earlier_home)
    with pytest.raises(StoreUnavailable, match="euguess up"):
        await open_store(StoreSettings.load())

    said = await move(earlier_home)
    assert "moved 102 objects" in said[-1]
    await require_everything(await open_store(StoreSettings.load()))
    assert not (earlier_home / EARLIER_STORE).exists()
    assert (earlier_home / MOVED).is_dir()
    assert await move(earlier_home) == []


async def test_two_datasets_of_one_name_are_named_and_nothing_is_changed(
    earlier_home: Path,
) -> None:
    folder = local_store(earlier_home / HOME_STORE)
    await folder.put(SPEC, spec(2))
    with pytest.raises(DatasetConflict, match="Two datasets are called 'trip'"):
        await move(earlier_home)
    assert await folder.get(SPEC) == spec(2)
    assert (earlier_home / EARLIER_STORE).is_dir()
    assert [key async for key in folder.list("datasets/")] == [SPEC]
