"""What EUGuess asks of an object store."""

from collections.abc import AsyncIterator
from typing import Protocol


class ObjectStore(Protocol):
    """Objects by key. Every method raises StoreUnavailable when the store cannot be reached."""

    async def put(self, key: str, data: bytes) -> None:
        """Write, replacing what was there. Readers see the old or the new bytes, never a part."""

    async def create(self, key: str, data: bytes) -> bool:
        """Write unless the key is taken, atomically; False when it was taken.

        After a lost answer the request is repeated, so that False may mean "by this very call":
        where that matters, read the object to see whose it is.
        """

    async def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """Read. Raises ObjectNotFound, or ChecksumMismatch when sha256 (hex) does not fit."""

    async def exists(self, key: str) -> bool:
        """Whether the key is taken."""

    async def folders(self, prefix: str) -> list[str]:
        """Sorted names of the next level below prefix (which ends in "/"), without listing all."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Keys that start with prefix, in lexical order where the store has one."""

    async def delete(self, key: str) -> None:
        """Remove; harmless when there is nothing."""
