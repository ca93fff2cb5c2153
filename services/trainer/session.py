"""What experiments work with, and the pixels of a dataset that they start from."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch

from euguess.messages.serving import ImageSpec
from euguess.settings import EnergySettings, StoreSettings
from euguess.storage import open_store
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.decoding import DecodeOptions, OnDamage
from services.trainer.cache.format import TensorCache, cache_folder
from services.trainer.dataset.manifest import build_manifest
from services.trainer.display import Display

if TYPE_CHECKING:  # MLflow takes seconds to import
    from services.trainer.tracking.runs import Tracking
    from services.trainer.tracking.versions import Registry


class Source(Protocol):
    """Where pixels come from and are kept, and where progress is shown."""

    @property
    def home(self) -> Path: ...

    @property
    def store(self) -> StoreSettings: ...

    @property
    def display(self) -> Display: ...


@dataclass(frozen=True)
class Session:
    """Places, connections, the device and where progress is shown."""

    home: Path
    store: StoreSettings
    tracking: "Tracking"
    registry: "Registry"
    device: torch.device
    display: Display
    energy: EnergySettings


def load_cache(
    dataset: str, image: ImageSpec, source: Source, *, on_damage: OnDamage = OnDamage.RAISE
) -> TensorCache:
    """The up-to-date cache of a dataset, built where needed."""
    return asyncio.run(_load_cache(dataset, image, source, on_damage))


async def _load_cache(
    dataset: str, image: ImageSpec, source: Source, on_damage: OnDamage
) -> TensorCache:
    store = await open_store(source.store)
    with source.display.bar(f"Listing {dataset}") as progress:
        manifest = await build_manifest(store, dataset, progress=progress)
    with source.display.bar(f"Decoding photos at {image.size} px") as progress:
        decode = DecodeOptions(on_damage=on_damage, progress=progress)
        folder = cache_folder(source.home, dataset, image)
        cache = await build_cache(store, manifest, CacheRequest(folder, image, decode))
    if cache.header.skipped:
        source.display.note(f"Skipped {len(cache.header.skipped)} damaged photos")
    return cache
