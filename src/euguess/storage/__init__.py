"""The object store: one API over S3, a local folder and memory."""

from collections.abc import AsyncIterator
from typing import Protocol


class ObjectStore(Protocol):
    """Objects by key. Every method raises StoreUnavailable when the store cannot be reached."""

    async def put(self, key: str, data: bytes) -> None:
        """Write, replacing what was there. Readers see the old or the new bytes, never a part."""

    async def create(self, key: str, data: bytes) -> bool:
        """Write unless the key is taken, atomically; False when it was taken."""

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
