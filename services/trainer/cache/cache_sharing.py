"""Sharing a finished cache by way of the object store."""

from pathlib import Path

from pydantic import ValidationError

from euguess.collection.layout import cache_prefix
from euguess.errors import ObjectNotFound, StaleCache
from euguess.messages.serving import ImageSpec
from euguess.process.files import write_atomically
from euguess.storage import ObjectStore
from services.trainer.cache.files import (
    BUILDING,
    install_finished,
    locked,
    require_room,
    room_errors,
)
from services.trainer.cache.format import (
    HEADER,
    IMAGES,
    INDEX,
    CacheHeader,
    TensorCache,
    open_cache,
    spec_digest,
)


async def publish_cache(store: ObjectStore, cache: TensorCache) -> str:
    """Upload a cache, its header last; returns its prefix. Each file is held in memory once."""
    image = ImageSpec(size=cache.header.size)
    prefix = cache_prefix(cache.header.dataset, spec_digest(image))
    await store.delete(prefix + HEADER)  # a reader must not meet the old header with new files
    for name in (IMAGES, INDEX, HEADER):
        await store.put(prefix + name, (cache.folder / name).read_bytes())
    return prefix


async def download_cache(
    store: ObjectStore, folder: Path, *, dataset: str, image: ImageSpec, manifest_digest: str
) -> TensorCache | None:
    """Fetch the published cache if it holds this state of the dataset, else None.

    Every image is checked. Raises StaleCache when what was downloaded is damaged, and DiskFull.
    """
    prefix = cache_prefix(dataset, spec_digest(image))
    header = await _published_header(store, prefix)
    if header is None or header.manifest_digest != manifest_digest:
        return None
    with locked(folder), room_errors(folder):
        require_room(folder, header.images_bytes)
        building = folder / f"{BUILDING}download"
        building.mkdir(exist_ok=True)
        (building / HEADER).unlink(missing_ok=True)
        for name in (IMAGES, INDEX):
            write_atomically(building / name, await store.get(prefix + name), durable=True)
        write_atomically(building / HEADER, header.model_dump_json(indent=2), durable=True)
        _check(building, image, manifest_digest)
        install_finished(folder)
    return open_cache(folder, image=image, manifest_digest=manifest_digest)


async def _published_header(store: ObjectStore, prefix: str) -> CacheHeader | None:
    try:
        return CacheHeader.model_validate_json(await store.get(prefix + HEADER))
    except (ObjectNotFound, ValidationError):  # none, or one of another version
        return None


def _check(building: Path, image: ImageSpec, manifest_digest: str) -> None:
    try:
        open_cache(building, image=image, manifest_digest=manifest_digest, verify=True)
    except StaleCache:
        (building / HEADER).unlink()
        raise
