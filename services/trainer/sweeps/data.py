"""What trials learn from and are judged on; the test part is never looked at."""

from dataclasses import dataclass, field
from pathlib import Path

import torch

from euguess.errors import InvalidInput
from euguess.process.locks import folder_lock
from euguess.settings import StoreSettings
from services.trainer.cache.decoding import OnDamage
from services.trainer.loading.split_data import SplitData, read_split_data
from services.trainer.progress import ProgressDisplay
from services.trainer.recipe import Recipe
from services.trainer.session import load_cache

SWEEPS = "sweeps"


@dataclass(frozen=True)
class SweepSource:
    """A dataset, where it comes from and the device that learns from it."""

    dataset: str
    home: Path
    store: StoreSettings
    device: torch.device
    display: ProgressDisplay
    on_damage: OnDamage = OnDamage.RAISE

    @property
    def folder(self) -> Path:
        """Of all sweeps of this home."""
        return self.home / SWEEPS


@dataclass
class SplitDataLoader:
    """Loads what a recipe needs, and keeps it for the recipes after it that need the same."""

    source: SweepSource
    _kept: tuple[tuple[int, int], SplitData] | None = field(default=None, init=False)

    def of(self, recipe: Recipe) -> SplitData:
        """Raises InvalidInput when the split has no val part."""
        need = (recipe.image_size, recipe.views)
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
                f"The split of {source.dataset!r} has no val part, by which a sweep judges its "
                "trials; raise split.val_fraction of the base recipe or collect more places."
            )
        return split_data
