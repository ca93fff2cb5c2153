"""SplitData that a network learns in seconds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from euguess.messages.serving import ImageSpec, ModelCountry
from euguess.training.recipes.recipe import Recipe, parse_recipe
from services.trainer.cache.format import CacheHeader, TensorCache
from services.trainer.dataset.view_index import Rows, ViewIndex
from services.trainer.loading.batches import DeviceImages, Pixels
from services.trainer.loading.split_data import SplitData
from services.trainer.splits.splits import split_views

CPU = torch.device("cpu")
COUNTRIES = ("FR", "IT", "PL")
SIZE = 32
DIGEST = "0" * 64
TINY = f'name = "tiny"\nnetwork = "smallnet"\nimage_size = {SIZE}\nepochs = 3\nbatch_size = 16\n'


def tiny_recipe(*overrides: str) -> Recipe:
    return parse_recipe(TINY, overrides)


def tiny_index(locations: int, views: int = 3) -> ViewIndex:
    """Return locations of the countries in turn, 1 degree apart."""
    location = np.repeat(np.arange(locations), views)
    return ViewIndex(
        location_ids=np.array([f"place-{number:03}" for number in location]),
        country_codes=np.array(COUNTRIES)[location % len(COUNTRIES)],
        lats=(45 + location).astype(np.float64),
        lons=np.full(len(location), 5.0),
        headings=np.tile(np.arange(views) * 360.0 / views, locations),
        sha256s=np.array([f"{row:064x}" for row in range(len(location))]),
    )


def tiny_pixels(labels: Rows, seeds: Sequence[int]) -> Pixels:
    """Return noisy images, one per seed, with one bright colour channel per country."""
    shape = (SIZE, SIZE, 3)
    noise = [np.random.default_rng(one).integers(0, 120, shape, np.uint8) for one in seeds]
    pixels = np.stack(noise)
    pixels[np.arange(len(labels)), :, :, labels % 3] += 80
    return pixels


def tiny_cache(index: ViewIndex, dataset: str = "tiny", digest: str = DIGEST) -> TensorCache:
    """Return a cache of an index in memory; the noise of a view depends on its sha256."""
    header = CacheHeader(
        dataset=dataset,
        manifest_digest=digest,
        size=SIZE,
        images=len(index),
        images_bytes=0,
        index_sha256="0" * 64,
    )
    panoramas = index.sha256s if index.panorama_ids is None else index.panorama_ids
    columns = {
        "location_id": index.location_ids,
        "country_code": index.country_codes,
        "lat": index.lats,
        "lon": index.lons,
        "heading": index.headings,
        "sha256": index.sha256s,
        "panorama_id": panoramas,
    }
    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    pixels = tiny_pixels(index.labels(index.countries), [int(sha, 16) for sha in index.sha256s])
    return TensorCache(Path(), header, pixels, table)


def tiny_split_data(recipe: Recipe, locations: int = 12, device: torch.device = CPU) -> SplitData:
    """Return noisy images with one bright colour channel per country."""
    index = tiny_index(locations)
    labels = index.labels(COUNTRIES)
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 120, (len(index), SIZE, SIZE, 3), dtype=np.uint8)
    pixels[np.arange(len(index)), :, :, labels] += 80
    return SplitData(
        dataset="tiny",
        manifest_digest=DIGEST,
        index=index,
        countries=tuple(ModelCountry(country_code=code, name=code) for code in COUNTRIES),
        labels=labels,
        images=DeviceImages(pixels, labels, ImageSpec(size=SIZE), device),
        split=split_views(index, recipe.split_spec),
    )
