"""The data that trials share are kept only for recipes that need the same."""

from pathlib import Path

import pytest
from rich.console import Console

from euguess.errors import InvalidInput
from euguess.settings import StoreSettings
from services.trainer.progress import ProgressDisplay
from services.trainer.sweeps import data
from services.trainer.sweeps.data import SplitDataLoader, SweepSource
from tests.support.tiny_training import CPU, tiny_cache, tiny_index, tiny_recipe


@pytest.fixture
def loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SplitDataLoader:
    cache = tiny_cache(tiny_index(24))
    monkeypatch.setattr(data, "load_cache", lambda *args, **options: cache)
    store, display = StoreSettings(store_url="memory://"), ProgressDisplay(Console(quiet=True))
    return SplitDataLoader(SweepSource("tiny", tmp_path, store, CPU, display))


@pytest.mark.parametrize(
    "change",
    [
        "subset.share=0.5",
        "subset.seed=1",
        "views=2",
        "mean=[0.0, 0.0, 0.0]",
        "std=[1.0, 1.0, 1.0]",
        "split.seed=1",
        "split.protocol=image",
        "split.test_fraction=0.4",
    ],
)
def test_data_are_loaded_anew_for_a_recipe_that_needs_others(
    loader: SplitDataLoader, change: str
) -> None:
    base = "subset.share=0.9"
    first = loader.of(tiny_recipe(base))
    assert loader.of(tiny_recipe(base, change)) is not first


def test_a_larger_share_gets_more_places_after_a_smaller_one(loader: SplitDataLoader) -> None:
    places = [len(loader.of(tiny_recipe(f"subset.share={share}")).index) for share in (0.5, 1.0)]
    assert places == [36, 72]


def test_a_recipe_without_validation_does_not_get_the_data_of_one_with_it(
    loader: SplitDataLoader,
) -> None:
    loader.of(tiny_recipe())
    with pytest.raises(InvalidInput, match="no validation set"):
        loader.of(tiny_recipe("faults.no_validation=true"))


def test_recipes_that_differ_in_training_alone_share_the_data(loader: SplitDataLoader) -> None:
    first = loader.of(tiny_recipe())
    assert loader.of(tiny_recipe("optimizer.learning_rate=0.1", "epochs=9")) is first
