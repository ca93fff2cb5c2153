"""The rules of the game and its scoreboard."""

import asyncio
import random
from datetime import UTC, datetime

import pytest

from dashboard.game.rules import (
    Game,
    GameResult,
    HeldOutLocation,
    RoundResult,
    draw_locations,
    held_out,
)
from dashboard.game.scoreboard import averages, ranked, read_results, save_result
from dashboard.intervals import wilson
from dashboard.sources.manifests import DatasetContents, contents_of
from euguess.collection.layout import game_key
from euguess.collection.manifest_format import table_of
from euguess.messages.training import SeenViews
from euguess.storage import ObjectStore
from tests.support.dashboard_services import prediction
from tests.support.generated_dataset import generated_rows

PLAYED_AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(scope="module")
def contents() -> DatasetContents:
    table = table_of(list(generated_rows("demo", {"FR": 6, "PL": 6, "LU": 2})))
    return contents_of("demo", table.to_pandas())


def result(*right: bool, player: str = "Ada", model: str = "FR") -> GameResult:
    answers = (
        RoundResult(
            location_id=f"place-{number}",
            truth="FR",
            guess="FR" if is_right else "PL",
            model=model,
            probability=0.5,
        )
        for number, is_right in enumerate(right)
    )
    return GameResult(
        player=player,
        played_at=PLAYED_AT,
        dataset="demo",
        model_version="7",
        is_with_all_views=False,
        answers=tuple(answers),
    )


def test_a_place_with_a_seen_photo_is_not_played(contents: DatasetContents) -> None:
    ids = contents.locations["location_id"].tolist()
    copied = contents.views.loc[contents.views["location_id"] == ids[1], "sha256"].iloc[2]
    seen = SeenViews(location_ids=(ids[0],), sha256s=(str(copied),))
    left = set(held_out(contents, seen, {"FR", "PL", "LU"})["location_id"])
    assert left == set(ids) - {ids[0], ids[1]}


def test_a_place_with_a_seen_panorama_is_not_played(contents: DatasetContents) -> None:
    ids = contents.locations["location_id"].tolist()
    panorama = contents.views.loc[contents.views["location_id"] == ids[2], "panorama_id"].iloc[0]
    seen = SeenViews(location_ids=(), sha256s=(), panorama_ids=(str(panorama),))
    left = set(held_out(contents, seen, {"FR", "PL", "LU"})["location_id"])
    assert left == set(ids) - {ids[2]}


def test_only_countries_of_the_model_are_played(contents: DatasetContents) -> None:
    views = held_out(contents, SeenViews(location_ids=(), sha256s=()), {"PL"})
    assert set(views["country_code"]) == {"PL"}


@pytest.mark.parametrize(("is_with_all_views", "photos"), [(False, 1), (True, 3)])
def test_drawn_places_are_distinct_and_have_the_requested_photos(
    contents: DatasetContents, is_with_all_views: bool, photos: int
) -> None:
    places = draw_locations(
        contents.views, random.Random(1), is_with_all_views=is_with_all_views, count=10
    )
    assert len({place.location_id for place in places}) == 10
    assert {len(place.keys) for place in places} == {photos}


def test_with_few_places_a_game_has_fewer_rounds(contents: DatasetContents) -> None:
    views = contents.views[contents.views["country_code"] == "LU"]
    assert len(draw_locations(views, random.Random(1), is_with_all_views=False)) == 2


def test_a_game_goes_from_guess_to_truth_to_the_next_place_and_ends() -> None:
    places = [HeldOutLocation(f"p{n}", "FR", (f"k{n}",), "drawn", "CC0") for n in range(3)]
    game = Game("Ada", "demo", "7", False, places)
    game.drop_location()
    assert game.location.location_id == "p1"
    game.answer("FR", prediction("PL"))
    assert (game.is_revealed, game.location.location_id) == (True, "p1")
    game.proceed()
    assert game.location.location_id == "p2"
    game.answer("PL", prediction("FR"))
    assert not game.is_over
    game.proceed()
    assert game.is_over
    kept = game.result(PLAYED_AT)
    assert (kept.right, kept.model_right, len(kept.answers)) == (1, 1, 2)


def test_wilsons_interval_matches_published_values() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: 81 of 263 and 0 of 20.
    many, none = wilson(81, 263), wilson(0, 20)
    assert (round(many.low, 4), round(many.high, 4)) == (0.2553, 0.3662)
    assert (round(none.low, 4), round(none.high, 4)) == (0.0, 0.1611)


def test_averages_of_people_and_model_are_over_the_same_rounds() -> None:
    means = averages([result(True, False), result(False, False, model="PL")])
    assert (means.people.value, means.model.value, means.rounds) == (0.25, 0.5, 4)


def test_the_best_game_comes_first() -> None:
    games = [result(False, player="Bo"), result(True, player="Cy")]
    assert [game.player for game in ranked(games)] == ["Cy", "Bo"]


async def test_results_with_the_same_time_are_all_stored(memory_store: ObjectStore) -> None:
    games = [result(True, player=f"player {n}") for n in range(5)]
    await asyncio.gather(*(save_result(memory_store, game) for game in games))
    found = await read_results(memory_store)
    assert {game.player for game in found} == {game.player for game in games}


async def test_a_damaged_result_is_skipped(memory_store: ObjectStore) -> None:
    await save_result(memory_store, result(True))
    await memory_store.put(game_key("20260101T000000-broken"), b"{")
    assert len(await read_results(memory_store)) == 1
