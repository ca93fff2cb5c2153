"""Splits by a stable hash: places that come or go move no others."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.loading.split_data import subset
from services.trainer.splits.splits import split_views
from tests.support.study_places import study_places

PARTS = ("train", "val", "test", "dropped")
LOCATION = SplitSpec(SplitProtocol.LOCATION)


def parts_of(index: ViewIndex, spec: SplitSpec = LOCATION) -> dict[str, str]:
    """Return the set of each place."""
    split = split_views(index, spec)
    return {str(name): part for part in PARTS for name in index.location_ids[getattr(split, part)]}


def without(index: ViewIndex, *rows: int) -> ViewIndex:
    return subset(index, np.delete(np.arange(len(index)), rows))


def moved(before: dict[str, str], after: dict[str, str]) -> set[str]:
    """Return the places of both splits that are not in the same set."""
    return {name for name, part in after.items() if before.get(name, part) != part}


def some_rows(index: ViewIndex, count: int, seed: int = 0) -> np.ndarray:
    return np.sort(np.random.default_rng(seed).choice(len(index), count, replace=False))


def after_removals(index: ViewIndex, spec: SplitSpec, count: int) -> Iterator[set[str]]:
    """Yield the places that move when one of some places is removed."""
    before = parts_of(index, spec)
    for row in some_rows(index, count, seed=1):
        yield moved(before, parts_of(without(index, row), spec))


@pytest.fixture(scope="module")
def three_thousand() -> ViewIndex:
    """3,000 places in 32 countries of 20 to 200 places."""
    whole = study_places(1)
    return subset(whole, some_rows(whole, 3000))


@pytest.fixture(scope="module")
def country_of_ten() -> ViewIndex:
    whole = study_places(1)
    return subset(whole, np.flatnonzero(whole.country_codes == "LU")[:10])


def test_removing_or_adding_one_of_3000_places_moves_no_other_place(
    three_thousand: ViewIndex,
) -> None:
    assert list(after_removals(three_thousand, LOCATION, 60)) == [set()] * 60


def test_removing_a_tenth_of_the_places_moves_no_other_place(three_thousand: ViewIndex) -> None:
    fewer = without(three_thousand, *some_rows(three_thousand, 300, seed=2))
    assert moved(parts_of(three_thousand), parts_of(fewer)) == set()


def test_a_change_in_one_country_moves_nothing_in_another(three_thousand: ViewIndex) -> None:
    is_kept = (three_thousand.country_codes != "LU") | (three_thousand.lats > 49.9)
    fewer = subset(three_thousand, np.flatnonzero(is_kept))
    own = set(fewer.location_ids[fewer.country_codes == "LU"].tolist())
    assert moved(parts_of(three_thousand), parts_of(fewer)) <= own


def test_the_order_of_the_views_does_not_matter(three_thousand: ViewIndex) -> None:
    reverse = subset(three_thousand, np.arange(len(three_thousand))[::-1])
    assert parts_of(reverse) == parts_of(three_thousand)


@pytest.mark.parametrize("seed", range(20))
def test_a_tiny_country_moves_only_what_its_minimum_needs(
    country_of_ten: ViewIndex, seed: int
) -> None:
    spec = replace(LOCATION, seed=seed)
    before = parts_of(country_of_ten, spec)
    for row in range(10):
        after = parts_of(without(country_of_ten, row), spec)
        # One place each may have to fill the test set and the validation set again.
        assert len(moved(before, after)) <= 2
        assert set(after.values()) == {"train", "val", "test"}


def test_a_place_that_joins_two_groups_moves_only_these(three_thousand: ViewIndex) -> None:
    panoramas = np.array([f"panorama-{row}" for row in range(3000)])
    panoramas[1::2] = panoramas[::2]  # pairs of places share a panorama
    paired = replace(three_thousand, panorama_ids=panoramas, sha256s=panoramas)
    bridge = 2999
    for first, second in ((0, 10), (100, 2000), (500, 502), (1000, 1500)):
        photos = panoramas.copy()
        photos[bridge] = panoramas[first]
        joined = replace(paired, sha256s=photos)
        joined.panorama_ids[bridge] = panoramas[second]  # type: ignore[index]
        changed = moved(parts_of(without(paired, bridge)), parts_of(joined))
        rows = [first, first + 1, second, second + 1]
        assert changed <= set(three_thousand.location_ids[rows].tolist())
        joined.panorama_ids[bridge] = panoramas[bridge]  # type: ignore[index]


def test_a_larger_test_set_contains_the_smaller_one(three_thousand: ViewIndex) -> None:
    small, large = (
        set(split_views(three_thousand, replace(LOCATION, test_fraction=share)).test.tolist())
        for share in (0.1, 0.3)
    )
    assert small < large


@pytest.mark.parametrize("protocol", [SplitProtocol.IMAGE, SplitProtocol.LOCATION])
def test_fractions_are_right_on_average_and_binomial_in_each_country(
    three_thousand: ViewIndex, protocol: SplitProtocol
) -> None:
    codes, sizes = np.unique(three_thousand.country_codes, return_counts=True)
    seeds = 30
    for name, share in (("val", 0.1), ("test", 0.2)):
        found = np.zeros((seeds, len(codes)))
        for seed in range(seeds):
            split = split_views(three_thousand, SplitSpec(protocol, seed=seed))
            mine = three_thousand.country_codes[getattr(split, name)]
            found[seed] = [np.sum(mine == code) for code in codes]
        deviation = np.sqrt(share * (1 - share) / (seeds * 3000))
        assert found.sum() / (seeds * 3000) == pytest.approx(share, abs=4 * deviation)
        low, high = binom.interval(1 - 1e-6, sizes, share)
        assert np.all((found >= low) & (found <= high))


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        (SplitSpec(SplitProtocol.SPATIAL, block_km=100), 5.0),
        (SplitSpec(SplitProtocol.LOCATION_BUFFER, buffer_km=5), 0.5),
    ],
)
def test_removing_a_place_seldom_moves_a_region(
    three_thousand: ViewIndex, spec: SplitSpec, most: float
) -> None:
    changes = [len(names) for names in after_removals(three_thousand, spec, 40)]
    assert np.mean(np.array(changes) > 0) <= 0.1
    assert np.mean(changes) <= most
