"""SplitData that a network learns in seconds."""

import numpy as np
import torch

from euguess.messages.serving import ImageSpec, ModelCountry
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.loading.batches import DeviceImages
from services.trainer.loading.split_data import SplitData
from services.trainer.recipes.recipe import Recipe, parse_recipe
from services.trainer.splits.splits import split_views

CPU = torch.device("cpu")
COUNTRIES = ("FR", "IT", "PL")
SIZE = 32
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


def tiny_split_data(recipe: Recipe, locations: int = 12) -> SplitData:
    """Return noisy images with one bright colour channel per country."""
    index = tiny_index(locations)
    labels = index.labels(COUNTRIES)
    rng = np.random.default_rng(5)
    pixels = rng.integers(0, 120, (len(index), SIZE, SIZE, 3), dtype=np.uint8)
    pixels[np.arange(len(index)), :, :, labels] += 80
    return SplitData(
        dataset="tiny",
        manifest_digest="0" * 64,
        index=index,
        countries=tuple(ModelCountry(country_code=code, name=code) for code in COUNTRIES),
        labels=labels,
        images=DeviceImages(pixels, labels, ImageSpec(size=SIZE), CPU),
        split=split_views(index, recipe.split_spec),
    )
