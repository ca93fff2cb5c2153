"""Paired comparison of two runs."""

import pytest

from euguess.messages.records import Interval
from services.trainer.models.paired import (
    PhotoResults,
    common_photos_difference,
    paired_accuracy_difference,
    photo_results,
    unpaired_difference,
)
from services.trainer.training.learner import new_learner
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data

PLACES = tuple(f"place-{number // 2}" for number in range(40))
RIGHT = PhotoResults(
    location_ids=PLACES,
    sha256s=tuple(f"{number:064x}" for number in range(40)),
    is_right=tuple(number % 4 != 0 for number in range(40)),
)
WRONG = RIGHT.model_copy(update={"is_right": tuple(number % 4 == 1 for number in range(40))})


def test_results_on_the_same_photos_are_compared_in_pairs() -> None:
    found = paired_accuracy_difference(RIGHT, WRONG)
    assert found is not None
    assert found.value == pytest.approx(0.5)
    assert found.low < 0.5 < found.high
    same = paired_accuracy_difference(RIGHT, RIGHT)
    assert same == Interval(value=0, low=0, high=0)


@pytest.mark.parametrize("part", ["location_ids", "sha256s"])
def test_results_on_different_photos_are_not_paired(part: str) -> None:
    others = RIGHT.model_copy(update={part: getattr(RIGHT, part)[::-1]})
    assert paired_accuracy_difference(RIGHT, others) is None


def test_runs_that_share_some_photos_are_compared_on_these() -> None:
    half = {name: values[::2] for name, values in WRONG.model_dump().items()}
    found = common_photos_difference(RIGHT, PhotoResults(**half))
    assert found is not None
    assert (found.photos, found.second) == (20, 0.0)
    assert found.interval.value == pytest.approx(0.5)
    assert found.interval.low < 0.5 < found.interval.high
    elsewhere = RIGHT.model_copy(update={"location_ids": tuple(f"x{p}" for p in PLACES)})
    assert common_photos_difference(RIGHT, elsewhere) is None


def test_an_unpaired_difference_is_wider_than_either_interval() -> None:
    first = Interval(value=0.5, low=0.4, high=0.6)
    second = Interval(value=0.3, low=0.27, high=0.34)
    found = unpaired_difference(first, second)
    assert found.value == pytest.approx(0.2)
    assert found.low == pytest.approx(0.2 - (0.1**2 + 0.04**2) ** 0.5)
    assert found.high == pytest.approx(0.2 + (0.1**2 + 0.03**2) ** 0.5)


def test_results_follow_the_order_of_the_test_set() -> None:
    recipe = tiny_recipe()
    split_data = tiny_split_data(recipe)
    network = new_learner(recipe, len(COUNTRIES), CPU).network.eval()
    answers = photo_results(network, split_data)
    rows = split_data.split.test
    assert answers.location_ids == tuple(split_data.index.location_ids[rows])
    assert answers.sha256s == tuple(split_data.index.sha256s[rows])
    assert len(answers.is_right) == len(rows)
