"""What heads learn across datasets: training sets, test places, countries and the page."""

from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from euguess.messages.serving import ImageSpec
from euguess.training.recipes.head_recipe import Backbone, HeadRecipe, validated_head
from services.trainer.heads.embeddings import Features
from services.trainer.loading.split_data import subset
from services.trainer.real_results.measure import Benchmark
from services.trainer.real_results.transfer import ALL, TransferPredictions, answer, join_views
from services.trainer.real_results.transfer_page import transfer_page
from services.trainer.real_results.transfer_plot import transfer_figure
from services.trainer.real_results.transfer_summary import (
    BASELINE,
    TransferLine,
    TransferResults,
    summarise_transfer,
)
from tests.support.tiny_training import COUNTRIES, tiny_cache, tiny_index

NEAR, FAR = "near", "far"
LOCATIONS = 60


def benchmark(dataset: str, *, countries: tuple[str, ...], first: int) -> Benchmark:
    """A dataset whose countries show in the features from `first` on, among six."""
    index = tiny_index(LOCATIONS)
    index = subset(index, np.flatnonzero(np.isin(index.country_codes, countries)))
    shas = [f"{first + 1:04x}{sha[4:]}" for sha in index.sha256s]
    cache = tiny_cache(replace(index, sha256s=np.array(shas)), dataset)
    rng = np.random.default_rng(first)
    labels = index.labels(COUNTRIES)
    features = (2 * np.eye(6)[labels + first] + rng.normal(0, 0.3, (len(labels), 6))).astype("f4")

    def features_of(_backbone: Backbone, _given: ImageSpec) -> tuple[Features, ...]:
        return (features,)

    return Benchmark(dataset, cast(Any, None), lambda _image: cache, features_of)


def head(name: str) -> HeadRecipe:
    return validated_head(
        {
            "name": name,
            "backbones": [{"network": "smallnet", "image_size": 32}],
            "split": {"test_fraction": 0.3},
            "head": {"model": "least-squares", "regularisation": [1.0], "folds": 3},
        }
    )


@pytest.fixture(scope="module")
def answers() -> list[TransferPredictions]:
    """The far dataset has no places in the last country, and other features."""
    benchmarks = (
        benchmark(NEAR, countries=COUNTRIES, first=0),
        benchmark(FAR, countries=COUNTRIES[:2], first=3),
    )
    return [
        answer(recipe, join_views(recipe, benchmarks), trained_on)
        for recipe in (head(BASELINE), head("other"))
        for trained_on in (NEAR, FAR, ALL)
    ]


@pytest.fixture(scope="module")
def results(answers: list[TransferPredictions]) -> TransferResults:
    return summarise_transfer(answers, ["third: missing weights x"])


def line(results: TransferResults, trained_on: str, tested_on: str) -> TransferLine:
    (found,) = (
        one
        for one in results.lines
        if (one.recipe, one.trained_on, one.tested_on) == (BASELINE, trained_on, tested_on)
    )
    return found


def test_all_heads_of_a_seed_are_tested_on_the_same_places(
    answers: list[TransferPredictions],
) -> None:
    assert len({tuple(one.location_ids) for one in answers}) == 1
    assert set(answers[0].datasets) == {NEAR, FAR}


def test_a_head_knows_only_what_its_own_datasets_show(results: TransferResults) -> None:
    assert line(results, NEAR, NEAR).top1.value == 1
    assert line(results, FAR, FAR).top1.value == 1
    assert line(results, NEAR, FAR).top1.value < 1
    assert line(results, ALL, ALL).top1.value == 1


def test_places_in_countries_without_training_places_are_counted_and_left_out(
    results: TransferResults,
) -> None:
    to_near, from_near = line(results, FAR, NEAR), line(results, NEAR, NEAR)
    assert to_near.unknown > 0
    assert to_near.places + to_near.unknown == from_near.places
    assert from_near.unknown == 0


def test_differences_from_the_baseline_are_paired(results: TransferResults) -> None:
    for one in results.lines:
        if one.recipe == BASELINE:
            assert one.top1_over_baseline is None
        else:
            assert one.top1_over_baseline is not None
            assert one.top1_over_baseline.value == 0  # the recipes differ in name only


def test_the_shares_of_the_datasets_add_up_to_one(results: TransferResults) -> None:
    assert sum(share.test_share for share in results.shares) == pytest.approx(1)
    assert [share.countries for share in results.shares] == [2, 3]


def test_the_page_names_every_training_and_test_set(results: TransferResults) -> None:
    text = transfer_page(results, "near-far.png")
    for said in ("near", "far", ALL, "other", "third: missing weights x", "(near-far.png)"):
        assert said in text


def test_no_panel_of_the_plot_cuts_an_interval_off(results: TransferResults) -> None:
    highest = max(one.top1.high for one in results.lines)
    for axes in transfer_figure(results).axes:
        assert axes.get_xlim()[0] == 0
        assert axes.get_xlim()[1] >= highest
