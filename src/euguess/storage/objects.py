"""An ObjectStore over any obstore backend. No other module handles obstore's exceptions."""

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import ObjectStore as Backend

from euguess.errors import ChecksumMismatch, ObjectNotFound, StoreError, StoreUnavailable
from euguess.storage.keys import check_key

# Hashing 8 MiB takes about 10 ms; more would delay the other requests of the event loop.
HASH_IN_THREAD_BYTES = 8 * 1024 * 1024
LIST_CHUNK = 1000
# Above the limits of the client (30 s for a request, 20 s for retries), in case they do not hold.
ANSWER_SECONDS = 45.0
BYTES_PER_SECOND = 1_000_000  # slower transfers time out too


@dataclass(frozen=True, slots=True)
class StoreLabel:
    """Texts for error messages of a store: its name, and what to do if it fails."""

    name: str
    when_unavailable: str
    when_refused: str


class Objects:
    """An ObjectStore. Error messages contain no text of the backend, and so no secrets."""

    def __init__(self, backend: Backend, label: StoreLabel) -> None:
        self._backend = backend
        self._label = label

    async def put(self, key: str, data: bytes) -> None:
        async with self._answered(check_key(key), len(data)):
            await obstore.put_async(self._backend, key, data)

    async def create(self, key: str, data: bytes) -> bool:
        async with self._answered(check_key(key), len(data)):
            try:
                await obstore.put_async(self._backend, key, data, mode="create")
            except AlreadyExistsError:
                return False
            return True

    async def get(self, key: str, *, sha256: str | None = None) -> bytes:
        async with self._answered(check_key(key)):
            answer = await obstore.get_async(self._backend, key)
        async with self._answered(key, answer.meta["size"]):
            data = bytes(await answer.bytes_async())
        if sha256 is not None and await _sha256(data) != sha256:
            raise ChecksumMismatch(
                f"{key} in {self._label.name} is damaged: it does not have the recorded SHA-256. "
                "Delete it and fetch it again."
            )
        return data

    async def exists(self, key: str) -> bool:
        async with self._answered(check_key(key)):
            try:
                await obstore.head_async(self._backend, key)
            except FileNotFoundError:
                return False
            return True

    async def folders(self, prefix: str) -> list[str]:
        with self._errors(prefix):
            found = await obstore.list_with_delimiter_async(self._backend, prefix.rstrip("/"))
        return sorted(path.rpartition("/")[2] for path in found["common_prefixes"])

    async def list(self, prefix: str) -> AsyncIterator[str]:
        # A backend lists complete folders only, so filter by prefix.
        folder = prefix.rpartition("/")[0]
        with self._errors(prefix):
            async for entries in obstore.list(self._backend, folder or None, chunk_size=LIST_CHUNK):
                for entry in entries:
                    if entry["path"].startswith(prefix):
                        yield entry["path"]

    async def delete(self, key: str) -> None:
        async with self._answered(check_key(key)):
            with contextlib.suppress(FileNotFoundError):
                await obstore.delete_async(self._backend, key)

    @contextlib.asynccontextmanager
    async def _answered(self, key: str, size_bytes: int = 0) -> AsyncIterator[None]:
        with self._errors(key):
            async with asyncio.timeout(ANSWER_SECONDS + size_bytes / BYTES_PER_SECOND):
                yield

    @contextlib.contextmanager
    def _errors(self, key: str) -> Iterator[None]:
        label = self._label
        try:
            yield
        except FileNotFoundError:
            raise ObjectNotFound(f"There is no object {key} in {label.name}.") from None
        except (PermissionDeniedError, UnauthenticatedError):
            raise StoreError(f"{label.name} refused access: {label.when_refused}.") from None
        except (BaseError, TimeoutError):
            raise StoreUnavailable(f"{label.name} failed: {label.when_unavailable}.") from None


async def _sha256(data: bytes) -> str:
    if len(data) > HASH_IN_THREAD_BYTES:
        return (await asyncio.to_thread(hashlib.sha256, data)).hexdigest()
    return hashlib.sha256(data).hexdigest()
