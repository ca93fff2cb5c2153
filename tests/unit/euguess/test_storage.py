"""Stores without a server: the contract, settings, and behaviour specific to folders."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from euguess.errors import InvalidInput, StoreError, StoreUnavailable
from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from euguess.storage.administration import bucket_policy, ensure_bucket
from euguess.storage.local import local_store
from euguess.storage.local import memory_store as new_memory_store
from euguess.storage.objects import Objects
from euguess.storage.opening import check_create_if_absent
from tests.support.store_contract import StoreContract


@pytest.fixture(params=["memory", "local"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return new_memory_store() if request.param == "memory" else local_store(tmp_path / "store")


class TestStoresWithoutServer(StoreContract):
    """Tests the full contract."""


class ForgetfulStore:
    """A store that treats create as put, like S3 servers that ignore If-None-Match."""

    def __init__(self, objects: Objects) -> None:
        self.put, self.get, self.exists = objects.put, objects.get, objects.exists
        self.folders, self.list, self.delete = objects.folders, objects.list, objects.delete

    async def create(self, key: str, data: bytes) -> bool:
        await self.put(key, data)
        return True


async def test_a_store_that_ignores_create_if_absent_is_refused() -> None:
    with pytest.raises(StoreError, match="let 2 writers create the same object"):
        await check_create_if_absent(ForgetfulStore(new_memory_store()))


async def test_the_self_test_leaves_nothing_behind(tmp_path: Path) -> None:
    store = await open_store(StoreSettings(store_url=f"file://{tmp_path}"))
    assert [key async for key in store.list("")] == []
    assert list(tmp_path.iterdir()) == []


async def test_without_settings_the_store_is_a_folder_of_the_home(home: Path) -> None:
    store = await open_store(StoreSettings())
    await store.put("a/key", b"bytes")
    assert (home / "store" / "a" / "key").read_bytes() == b"bytes"


@pytest.mark.parametrize("url", ["file://{}", "{}"])
async def test_a_folder_may_be_named_with_or_without_scheme(url: str, tmp_path: Path) -> None:
    folder = tmp_path / "two words" / "ü"
    store = await open_store(StoreSettings(store_url=url.format(folder)))
    await store.put("key", b"bytes")
    assert (folder / "key").read_bytes() == b"bytes"


KEYS = {"s3_access_key": "access", "s3_secret_key": SecretStr("planted-secret")}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"store_url": "http://127.0.0.1:9000/euguess"}, "must be s3://bucket"),
        ({"store_url": "gs://euguess"}, "must be s3://bucket"),
        ({"store_url": "memory://x"}, "must be s3://bucket"),
        ({"store_url": "file://"}, "must be s3://bucket"),
        ({"store_url": "s3://", **KEYS}, "names no bucket"),
        ({"store_url": "s3://Upper_Case", **KEYS}, "names no bucket"),
        ({"store_url": "s3://bucket/path", **KEYS}, "names no bucket"),
        ({"store_url": "s3://euguess"}, "EUGUESS_S3_ACCESS_KEY and EUGUESS_S3_SECRET_KEY"),
        ({"store_url": "s3://euguess", "s3_access_key": "x"}, "needs EUGUESS_S3_SECRET_KEY"),
        ({"store_url": "s3://euguess", "s3_endpoint": "127.0.0.1:9000", **KEYS}, "http://"),
    ],
)
async def test_invalid_store_settings_are_refused(settings: dict[str, str], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint) as raised:
        await open_store(StoreSettings.model_validate(settings))
    assert "planted-secret" not in str(raised.value)


def test_a_bucket_needs_an_s3_url() -> None:
    with pytest.raises(InvalidInput, match="names no bucket"):
        ensure_bucket(StoreSettings.model_validate({"store_url": "file:///x", **KEYS}))


async def test_a_folder_that_cannot_be_created_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match=r"Could not create.*EUGUESS_STORE_URL"):
        await open_store(StoreSettings(store_url=f"file://{tmp_path / 'file' / 'store'}"))


@pytest.fixture
def files_of_at_most_1_mb() -> Iterator[None]:
    """Writes beyond 1 MB fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("files_of_at_most_1_mb")
async def test_a_write_that_fails_midway_leaves_the_old_object(tmp_path: Path) -> None:
    store = local_store(tmp_path)
    await store.put("key", b"old")
    for write in (store.put("key", bytes(4_000_000)), store.create("other", bytes(4_000_000))):
        with pytest.raises(StoreUnavailable, match="free disk space"):
            await write
    assert await store.get("key") == b"old"
    assert [key async for key in store.list("")] == ["key"]


async def test_a_partial_file_of_a_killed_process_is_no_object(tmp_path: Path) -> None:
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "key#1").write_bytes(b"half")
    store = local_store(tmp_path)
    assert [key async for key in store.list("")] == []
    assert await store.create("datasets/key", b"whole")
    assert await store.get("datasets/key") == b"whole"


async def test_two_stores_of_a_folder_see_the_same_objects(tmp_path: Path) -> None:
    one, other = local_store(tmp_path), local_store(tmp_path)
    wins = await asyncio.gather(*(store.create("key", b"x") for store in (one, other) * 8))
    assert sum(wins) == 1


def test_the_policy_allows_one_bucket_and_no_administration() -> None:
    statements = bucket_policy("euguess")["Statement"]
    resources = {resource for statement in statements for resource in statement["Resource"]}
    actions = {action for statement in statements for action in statement["Action"]}
    assert resources == {"arn:aws:s3:::euguess", "arn:aws:s3:::euguess/*"}
    assert not any(
        "*" in action or "Bucket" in action
        for action in actions - {"s3:GetBucketLocation", "s3:ListBucket"}
    )
