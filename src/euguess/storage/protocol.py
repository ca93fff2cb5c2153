"""The interface of object stores."""

from collections.abc import AsyncIterator
from typing import Protocol


class ObjectStore(Protocol):
    """Objects by key. Every method raises StoreUnavailable if the store does not answer."""

    async def put(self, key: str, data: bytes) -> None:
        """Write or replace an object. Readers see the old or the new bytes, never a mixture."""

    async def create(self, key: str, data: bytes) -> bool:
        """Write atomically unless the key exists. Return False if it existed.

        The client repeats a request whose response was lost, so False may mean that this very call
        created the object. Where that matters, read the object.
        """

    async def get(self, key: str, *, sha256: str | None = None) -> bytes:
        """Read an object. Raises ObjectNotFound, or ChecksumMismatch if sha256 (hex) differs."""

    async def exists(self, key: str) -> bool:
        """Return True if the key exists."""

    async def folders(self, prefix: str) -> list[str]:
        """Return the sorted names of the folders directly below prefix (which ends in "/")."""

    def list(self, prefix: str) -> AsyncIterator[str]:
        """Yield the keys that start with prefix; in lexical order if the store has one."""

    async def delete(self, key: str) -> None:
        """Delete an object; harmless if it does not exist."""
