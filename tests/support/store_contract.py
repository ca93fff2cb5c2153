"""Contract tests of every object store; subclasses run them on each kind of store.

A subclass lives in a module with a fixture `store`.
"""

import asyncio
import hashlib
import random

import pytest

from euguess.errors import ChecksumMismatch, InvalidInput, ObjectNotFound
from euguess.storage import ObjectStore

IMAGE = random.Random(0).randbytes(80_000)
LARGE = random.Random(1).randbytes(6_000_000)  # above 5 MB obstore sends several parts

ODD_KEYS = [
    "with space/and more.txt",
    "ünï/cödé 東京.jpg",
    "percent%20sign",
    "hash#sign",
    "a+b&c=d?e",
    "colon:star*at@bang!",
    "[brackets]{braces}|^`'\"<>",
    "dots/..hidden/trailing.",
    "deep/" * 20 + "leaf",
    "x" * 200,
]
REFUSED_KEYS = [
    "",
    "/leading",
    "trailing/",
    "double//slash",
    "../above",
    "a/../b",
    "a/./b",
    "back\\slash",
    "new\nline",
    "nul\0",
    "staged#1",
    "lone\ud800surrogate",
    "x" * 300,
    "long/" * 300 + "key",
]


async def keys(store: ObjectStore, prefix: str) -> list[str]:
    return sorted([key async for key in store.list(prefix)])


class StoreContract:
    @pytest.mark.parametrize("data", [b"", b"\0", IMAGE, LARGE], ids=["0", "1", "80K", "6M"])
    async def test_stored_data_can_be_read_back(self, store: ObjectStore, data: bytes) -> None:
        await store.put("datasets/a/image.jpg", data)
        assert await store.get("datasets/a/image.jpg") == data

    async def test_put_replaces(self, store: ObjectStore) -> None:
        await store.put("key", b"old and longer")
        await store.put("key", b"new")
        assert await store.get("key") == b"new"

    async def test_create_writes_once(self, store: ObjectStore) -> None:
        assert await store.create("key", b"first")
        assert not await store.create("key", b"second")
        assert await store.get("key") == b"first"

    async def test_create_refuses_an_existing_key(self, store: ObjectStore) -> None:
        await store.put("key", b"put")
        assert not await store.create("key", b"created")
        assert await store.get("key") == b"put"

    async def test_a_deleted_key_can_be_created_again(self, store: ObjectStore) -> None:
        await store.create("key", b"first")
        await store.delete("key")
        assert await store.create("key", b"second")

    async def test_one_of_16_simultaneous_writers_wins(self, store: ObjectStore) -> None:
        writers = [f"writer {number}".encode() * 1000 for number in range(16)]
        wins = await asyncio.gather(*(store.create("key", writer) for writer in writers))
        winners = [writer for writer, won in zip(writers, wins, strict=True) if won]
        assert winners == [await store.get("key")]

    async def test_a_matching_checksum_is_accepted(self, store: ObjectStore) -> None:
        await store.put("key", IMAGE)
        assert await store.get("key", sha256=hashlib.sha256(IMAGE).hexdigest()) == IMAGE

    async def test_a_wrong_checksum_is_reported_with_the_key(self, store: ObjectStore) -> None:
        await store.put("some/key", IMAGE[:-1])
        with pytest.raises(ChecksumMismatch, match="some/key"):
            await store.get("some/key", sha256=hashlib.sha256(IMAGE).hexdigest())

    async def test_a_missing_object_is_reported_with_its_key(self, store: ObjectStore) -> None:
        with pytest.raises(ObjectNotFound, match="no/such/key"):
            await store.get("no/such/key")

    async def test_exists_is_true_for_objects_only(self, store: ObjectStore) -> None:
        await store.put("folder/object", b"x")
        found = [await store.exists(key) for key in ("folder/object", "folder", "nothing")]
        assert found == [True, False, False]

    async def test_deleting_a_missing_key_is_harmless(self, store: ObjectStore) -> None:
        await store.put("key", b"x")
        await store.delete("key")
        await store.delete("key")
        await store.delete("never/there")
        assert not await store.exists("key")

    async def test_list_returns_the_keys_that_start_with_a_prefix(self, store: ObjectStore) -> None:
        for key in ("p/a/1", "p/a/2", "p/ab/3", "p/b", "q/a"):
            await store.put(key, b"x")
        assert await keys(store, "p/a/") == ["p/a/1", "p/a/2"]
        assert await keys(store, "p/a") == ["p/a/1", "p/a/2", "p/ab/3"]
        assert await keys(store, "p/") == ["p/a/1", "p/a/2", "p/ab/3", "p/b"]
        assert await keys(store, "p/a/1") == ["p/a/1"]
        assert await keys(store, "nothing/") == []

    async def test_list_reads_more_than_one_page(self, store: ObjectStore) -> None:
        wanted = [f"page/{number:04}" for number in range(1050)]
        for first in range(0, len(wanted), 64):
            await asyncio.gather(*(store.put(key, b"x") for key in wanted[first : first + 64]))
        assert await keys(store, "page/") == wanted

    async def test_folders_returns_the_next_level_only(self, store: ObjectStore) -> None:
        for key in ("d/b/x/1", "d/b/y", "d/a/1", "d/object", "dd/c/1"):
            await store.put(key, b"x")
        assert await store.folders("d/") == ["a", "b"]
        assert await store.folders("nothing/") == []

    @pytest.mark.parametrize("key", ODD_KEYS)
    async def test_odd_keys_come_back_unchanged(self, store: ObjectStore, key: str) -> None:
        await store.put(f"odd/{key}", key.encode())
        assert await keys(store, "odd/") == [f"odd/{key}"]
        assert await store.get(f"odd/{key}") == key.encode()
        await store.delete(f"odd/{key}")
        assert not await store.exists(f"odd/{key}")

    @pytest.mark.parametrize("key", REFUSED_KEYS)
    async def test_keys_that_some_stores_cannot_hold_are_refused(
        self, store: ObjectStore, key: str
    ) -> None:
        for attempt in (
            store.put(key, b"x"),
            store.create(key, b"x"),
            store.get(key),
            store.exists(key),
            store.delete(key),
        ):
            with pytest.raises(InvalidInput, match="is not a valid object key"):
                await attempt

    async def test_readers_never_see_a_partial_write(self, store: ObjectStore) -> None:
        versions = [bytes([number]) * 1_000_000 for number in range(8)]
        await store.put("key", versions[0])

        async def write() -> None:
            for version in versions:
                await store.put("key", version)

        async def read() -> list[bytes]:
            return [await store.get("key") for _ in range(8)]

        writing = asyncio.create_task(write())
        seen = await asyncio.gather(*(read() for _ in range(4)))
        await writing
        assert all(data in versions for reads in seen for data in reads)

    async def test_simultaneous_writes_of_many_objects_all_succeed(
        self, store: ObjectStore
    ) -> None:
        images = {f"many/{number}": IMAGE + bytes([number]) for number in range(64)}
        await asyncio.gather(*(store.put(key, data) for key, data in images.items()))
        read = await asyncio.gather(*(store.get(key) for key in images))
        assert dict(zip(images, read, strict=True)) == images

    async def test_emptying_a_folder_does_not_disturb_writers_in_it(
        self, store: ObjectStore
    ) -> None:
        async def come_and_go(number: int) -> bytes:
            key = f"busy/folder/{number}"
            await store.create(key, b"x")
            data = await store.get(key)
            await store.delete(key)
            return data

        for _ in range(5):
            seen = await asyncio.gather(*(come_and_go(number) for number in range(32)))
            assert seen == [b"x"] * 32
        assert await keys(store, "busy/") == []
