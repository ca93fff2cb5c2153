"""The table of real results: pooled seeds, paired differences, selection without the test set."""

from pathlib import Path

import pytest

from services.trainer.real_results.page import page
from services.trainer.real_results.predictions import (
    HeldOut,
    LocationPrediction,
    Measurement,
    keep,
    kept,
)
from services.trainer.real_results.summary import (
    BEST,
    STUDY,
    RecipeSummary,
    Results,
    best_heads,
    summarise,
)

PLACES = 20


def measured(recipe: str, seed: int, *, right: int, held_out: float | None = None) -> Measurement:
    """The first `right` places are correct with two views fused, and half correct with one."""
    places = tuple(
        LocationPrediction(
            location_id=f"place-{place:02}",
            label=place % 2,
            single=0.5 if place < right else 0.0,
            fused=(False, place < right),
        )
        for place in range(PLACES)
    )
    return Measurement(
        recipe=recipe,
        seed=seed,
        places=places,
        seconds=1.0,
        chance=0.5,
        majority=0.5,
        held_out=None if held_out is None else HeldOut(nll=1.0, accuracy=held_out),
    )


def results() -> Results:
    found = [
        measured(STUDY, 0, right=4),
        measured("head", 0, right=10, held_out=0.4),
        measured("lucky", 0, right=20, held_out=0.3),
        measured(STUDY, 1, right=4),
        measured("head", 1, right=12, held_out=0.4),
        measured("lucky", 1, right=6, held_out=0.6),
    ]
    return summarise("tiny", found, ["other: the weights x are not there"])


def line(name: str) -> RecipeSummary:
    (found,) = (line for line in results().lines if line.recipe == name)
    return found


def test_the_best_head_is_chosen_by_held_out_places_not_by_the_test_part() -> None:
    assert [row.choice.split(",")[0] for row in line(BEST).seeds] == ["head", "lucky"]
    assert line(BEST).fused.value == pytest.approx((10 + 6) / 40)


def test_ties_between_heads_go_to_the_lower_nll() -> None:
    one = measured("one", 0, right=1, held_out=0.5)
    surer = measured("surer", 0, right=1).model_copy(
        update={"held_out": HeldOut(nll=0.9, accuracy=0.5)}
    )
    assert [best.recipe for best in best_heads([one, surer])] == ["surer"]


def test_differences_are_paired_place_by_place() -> None:
    over = line("head").over_study
    assert over is not None
    assert over.value == pytest.approx((10 + 12 - 8) / 40)
    assert line("head").gain.value == pytest.approx(22 / 40 / 2)
    assert line(STUDY).over_study is None


def test_a_place_tested_by_two_seeds_counts_once() -> None:
    once = summarise("tiny", [measured("head", 0, right=10)], [])
    twice = summarise("tiny", [measured("head", seed, right=10) for seed in (0, 1)], [])
    assert twice.lines[0].fused == once.lines[0].fused
    assert (twice.tests, twice.distinct_places) == (2 * PLACES, PLACES)


def test_the_page_lists_every_recipe_and_those_left_out() -> None:
    text = page(results(), "tiny.png")
    for said in (STUDY, "head", "lucky", f"**{BEST}**", "x are not there", "(tiny.png)"):
        assert said in text


def test_stored_measurements_are_read_back_unless_damaged(tmp_path: Path) -> None:
    one = measured("head", 0, right=3, held_out=0.2)
    assert kept(tmp_path, "key") is None
    keep(tmp_path, "key", one)
    assert kept(tmp_path, "key") == one
    (tmp_path / "key.json").write_text("{")
    assert kept(tmp_path, "key") is None
