"""Open a session for experiments, and load the tensor cache of a dataset."""

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from rich.console import Console

from euguess.messages.serving import ImageSpec
from euguess.settings import DeviceSettings, EnergySettings, MlflowSettings, StoreSettings
from euguess.storage import open_store
from services.trainer.cache.build import CacheRequest, build_cache
from services.trainer.cache.decoding import DecodeOptions, OnDamage
from services.trainer.cache.format import TensorCache, cache_folder
from services.trainer.dataset.manifest import build_manifest
from services.trainer.devices import (
    choose_device,
    reuse_freed_memory,
    set_up_device,
    use_available_cores,
)
from services.trainer.progress import ProgressDisplay

if TYPE_CHECKING:  # MLflow takes seconds to import
    from services.trainer.tracking.runs import Tracking
    from services.trainer.tracking.versions import Registry


class Source(Protocol):
    """The folders, store and progress display that loading a cache needs."""

    @property
    def home(self) -> Path: ...

    @property
    def store(self) -> StoreSettings: ...

    @property
    def display(self) -> ProgressDisplay: ...


@dataclass(frozen=True)
class Session:
    """Folders, connections, the device and the progress display of a process."""

    home: Path
    store: StoreSettings
    tracking: "Tracking"
    registry: "Registry"
    device: torch.device
    display: ProgressDisplay
    energy: EnergySettings


def open_session(
    home: Path, store: StoreSettings, mlflow: MlflowSettings, device: str, console: Console
) -> Session:
    """Connect to MLflow and choose the device.

    Settings that only the cards need are read here, so that they cannot fail after hours of
    training. Raises ServiceUnavailable when MLflow does not answer, InvalidInput for a bad device.
    """
    from services.trainer.tracking.runs import open_tracking
    from services.trainer.tracking.versions import Registry

    energy = EnergySettings.load()
    reuse_freed_memory()
    use_available_cores()
    chosen = choose_device(device)
    set_up_device(chosen, is_repeatable=DeviceSettings.load().repeatable)
    tracking = open_tracking(mlflow.url, home)
    return Session(
        home=home,
        store=store,
        tracking=tracking,
        registry=Registry(tracking.client),
        device=chosen,
        display=ProgressDisplay(console),
        energy=energy,
    )


def load_cache(
    dataset: str, image: ImageSpec, source: Source, *, on_damage: OnDamage = OnDamage.RAISE
) -> TensorCache:
    """Return the up-to-date tensor cache of a dataset; build missing parts."""
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
