"""Load the data that trials are trained and scored on; the test set is never used."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from euguess.errors import InvalidInput
from euguess.messages.serving import ImageSpec
from euguess.process.locks import folder_lock
from euguess.settings import StoreSettings
from euguess.training.recipes.recipe import Recipe
from euguess.training.recipes.sections import Subset
from euguess.training.recipes.split_spec import SplitSpec
from services.trainer.cache.decoding import OnDamage
from services.trainer.loading.split_data import SplitData, read_split_data
from services.trainer.progress import ProgressDisplay
from services.trainer.session import load_cache

SWEEPS = "sweeps"
Needs = tuple[ImageSpec, int, Subset, SplitSpec]


@dataclass(frozen=True)
class SweepSource:
    """A dataset, its store and cache, and the device to train on."""

    dataset: str
    home: Path
    store: StoreSettings
    device: torch.device
    display: ProgressDisplay
    on_damage: OnDamage = OnDamage.RAISE

    @property
    def folder(self) -> Path:
        """The folder of all sweeps in this home."""
        return self.home / SWEEPS


@dataclass
class SplitDataLoader:
    """Loads a recipe's split data, and keeps it for the next recipe if that needs the same.

    The data depend on the images (size, mean and deviation), the number of views, the subset and
    the split, which faults.no_validation also changes.
    """

    source: SweepSource
    _kept: tuple[Needs, SplitData] | None = field(default=None, init=False)

    def of(self, recipe: Recipe) -> SplitData:
        """Return a recipe's split data. Raises InvalidInput without a validation set."""
        need = (recipe.image, recipe.views, recipe.subset, recipe.split_spec)
        if self._kept is None or self._kept[0] != need:
            self._kept = None  # frees its memory first
            self._kept = (need, self._load(recipe))
        return self._kept[1]

    def forget(self) -> None:
        """Free the memory."""
        self._kept = None

    def _load(self, recipe: Recipe) -> SplitData:
        source = self.source
        with folder_lock(source.folder):  # workers that start together build a cache once
            cache = load_cache(source.dataset, recipe.image, source, on_damage=source.on_damage)
        split_data = read_split_data(cache, recipe, source.device)
        if not len(split_data.split.val):
            raise InvalidInput(
                f"The split of {source.dataset!r} has no validation set, which a sweep needs to "
                "judge its trials. Raise split.val_fraction in the base recipe, or collect more "
                "places."
            )
        return split_data
