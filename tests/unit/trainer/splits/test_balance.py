"""Regions balanced over countries: blocks of land and places at a distance."""

import numpy as np
import pytest

from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.splits.leaks import find_leaks
from services.trainer.splits.splits import Split, split_views
from services.trainer.splits.units import block_units
from tests.support.study_places import study_places

SEEDS = (0, 1, 2)
LEAST = 0.1 - 1 / 123  # half the fraction, less one place of a small country


def shares(index: ViewIndex, rows: np.ndarray) -> dict[str, float]:
    """Return the share of each country's places that is in some rows."""
    codes, sizes = np.unique(index.country_codes, return_counts=True)
    counts = [np.sum(index.country_codes[rows] == code) for code in codes]
    return {
        str(code): float(count / size)
        for code, count, size in zip(codes, counts, sizes, strict=True)
    }


def spatial(seed: int, block_km: float, places: int | None = None) -> tuple[ViewIndex, Split]:
    index = study_places(1 + seed if places is None else places)
    return index, split_views(index, SplitSpec(SplitProtocol.SPATIAL, seed, block_km=block_km))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("block_km", [100, 200])
def test_all_32_countries_are_tested_and_trained_on_by_blocks(seed: int, block_km: float) -> None:
    index, split = spatial(seed, block_km)
    tested, trained = shares(index, split.test), shares(index, split.train)
    assert len(tested) == 32
    assert min(tested.values()) >= LEAST
    assert min(trained.values()) >= 0.34
    assert len(split.test) / len(index) == pytest.approx(0.22, abs=0.06)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("buffer_km", "countries"), [(5, 32), (15, 32), (25, 31)])
def test_nearly_all_countries_are_tested_at_a_distance(
    seed: int, buffer_km: float, countries: int
) -> None:
    index = study_places(1 + seed)
    split = split_views(index, SplitSpec(SplitProtocol.LOCATION_BUFFER, seed, buffer_km=buffer_km))
    assert len(np.unique(index.country_codes[split.test])) >= countries
    assert len(np.unique(index.country_codes[split.train])) == 32
    assert find_leaks(index, split, buffer_km=buffer_km) == []
    assert len(split.dropped) / len(index) < 0.12


def test_the_large_blocks_of_small_countries_are_tested_as_often_as_others() -> None:
    index, seeds = study_places(1), 20
    units = block_units(index, block_km=100)
    names, blocks = np.unique(units.names[units.of_view], return_inverse=True)
    splits = [spatial(seed, 100, places=1)[1] for seed in range(seeds)]
    times = sum(np.isin(np.arange(len(names)), blocks[split.test]) for split in splits)
    for code in ("BE", "NL"):
        tested = [shares(index, split.test)[code] for split in splits]
        assert min(tested) >= LEAST
        assert max(tested) <= 0.5
        assert np.mean(tested) == pytest.approx(0.22, abs=0.06)
        mine = index.country_codes == code
        held = np.bincount(blocks[mine], minlength=len(names)) / mine.sum()
        assert np.all(np.asarray(times)[held > 0.2] >= 1)  # 4 are to be expected


def test_only_blocks_with_most_of_a_country_are_cut() -> None:
    index = study_places(1)
    units = block_units(index, block_km=100)
    cuts = np.array([int(str(name).split()[0]) for name in units.names])
    assert 0 < np.mean(cuts > 0) < 0.04
    codes, sizes = np.unique(units.country_codes, return_counts=True)
    for code, size in zip(codes, sizes, strict=True):
        whole = units.names[(units.country_codes == code) & (cuts < 2)]
        assert np.unique(whole, return_counts=True)[1].max(initial=0) <= size / 2
