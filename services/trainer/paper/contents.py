"""Providers, places and photos of a dataset, by its manifest."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from euguess.storage import open_store
from services.trainer.dataset.manifest import load_manifest
from services.trainer.session import Source


@dataclass(frozen=True)
class Contents:
    """The photos' providers, and the stored places and photos by country code."""

    providers: tuple[str, ...]
    places: Mapping[str, int]
    photos: Mapping[str, int]


def read_contents(dataset: str, source: Source) -> Contents:
    """Read a dataset's last manifest. Raises ObjectNotFound if it has none."""
    return asyncio.run(_read(dataset, source))


async def _read(dataset: str, source: Source) -> Contents:
    manifest = await load_manifest(await open_store(source.store), dataset)
    views = manifest.views
    providers = {str(name) for name in manifest.table.column("provider").to_pylist()}
    located = set(zip(views.country_codes.tolist(), views.location_ids.tolist(), strict=True))
    return Contents(
        providers=tuple(sorted(providers)),
        places=Counter(code for code, _ in located),
        photos=Counter(views.country_codes.tolist()),
    )
