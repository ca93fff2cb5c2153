"""Sources of a panorama's pictures, and a cache in front of them."""

import asyncio
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from services.simulator.world import Panorama


@dataclass(frozen=True, slots=True)
class View:
    """Size of a picture in pixels and its direction in degrees."""

    width: int
    height: int
    heading: float
    fov: float = 90.0
    pitch: float = 0.0


class Imagery(Protocol):
    """Makes pictures; the same panorama and view always give the same picture."""

    def picture(self, panorama: Panorama, view: View) -> bytes:
        """Make a JPEG of view.width x view.height pixels. Called from several threads."""
        ...


class CachedImagery:
    """Makes pictures in a few threads and caches the latest, up to a number of bytes."""

    def __init__(self, imagery: Imagery, *, threads: int, cache_bytes: int) -> None:
        self._imagery = imagery
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="imagery")
        self._cache_bytes = cache_bytes
        self._held_bytes = 0
        self._pictures: OrderedDict[tuple[str, View], bytes] = OrderedDict()

    async def picture(self, panorama: Panorama, view: View) -> bytes:
        key = (panorama.pano_id, view)
        known = self._pictures.get(key)
        if known is not None:
            self._pictures.move_to_end(key)
            return known
        loop = asyncio.get_running_loop()
        jpeg = await loop.run_in_executor(self._threads, self._imagery.picture, panorama, view)
        self._keep(key, jpeg)
        return jpeg

    def close(self) -> None:
        self._threads.shutdown()

    def _keep(self, key: tuple[str, View], jpeg: bytes) -> None:
        self._held_bytes += len(jpeg) - len(self._pictures.pop(key, b""))
        self._pictures[key] = jpeg
        while self._held_bytes > self._cache_bytes:
            _, dropped = self._pictures.popitem(last=False)
            self._held_bytes -= len(dropped)
