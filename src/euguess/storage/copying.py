"""Copy the objects of one store into another, so that it can be interrupted and repeated."""

import asyncio
from collections.abc import Callable, Sequence

from euguess.errors import StoreError
from euguess.storage.protocol import ObjectStore

CONCURRENT_COPIES = 32

Progress = Callable[[int, int], None]  # called with the numbers of done and of all objects


async def copy_objects(
    source: ObjectStore, target: ObjectStore, keys: Sequence[str], progress: Progress
) -> list[str]:
    """Copy objects and read each one back. Return the keys that the target has with other bytes.

    The target's objects are never replaced. Raises StoreError if a copy differs from its original.
    """
    differing: list[str] = []
    for start in range(0, len(keys), CONCURRENT_COPIES):
        batch = keys[start : start + CONCURRENT_COPIES]
        equal = await asyncio.gather(*(_copy(source, target, key) for key in batch))
        differing += [key for key, is_equal in zip(batch, equal, strict=True) if not is_equal]
        progress(min(start + CONCURRENT_COPIES, len(keys)), len(keys))
    return differing


async def _copy(source: ObjectStore, target: ObjectStore, key: str) -> bool:
    data = await source.get(key)
    is_new = await target.create(key, data)
    if await target.get(key) == data:
        return True
    if is_new:
        raise StoreError(f"The copy of {key} differs from its original. Check the disk, and retry.")
    return False
