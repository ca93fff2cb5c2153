"""Build a cache and get stopped midway: by SIGKILL or by a file size limit.

Arguments: store URL, folder, image to be killed at (0: never), limit in bytes (0: none).
"""

import asyncio
import os
import resource
import signal
import sys
from pathlib import Path

from euguess.errors import EUGuessError
from euguess.messages.serving import ImageSpec
from euguess.settings import StoreSettings
from euguess.storage import open_store
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.decoding import DecodeOptions
from services.trainer.dataset.manifest import build_manifest

ROWS_PER_SYNC = 4
DOWNLOADS = 2


async def build(url: str, folder: Path, kill_at: int, limit_bytes: int) -> None:
    def progress(done: int, total: int) -> None:
        if done == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    store = await open_store(StoreSettings(store_url=url))
    manifest = await build_manifest(store, "demo")
    if limit_bytes:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, limit_bytes))
    decode = DecodeOptions(rows_per_sync=ROWS_PER_SYNC, downloads=DOWNLOADS, progress=progress)
    await build_cache(store, manifest, CacheRequest(folder, ImageSpec(size=16), decode))


if __name__ == "__main__":
    try:
        asyncio.run(build(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:])))
    except EUGuessError as error:
        sys.exit(f"{type(error).__name__}: {error}")
