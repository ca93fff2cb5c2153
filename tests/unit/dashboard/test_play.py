"""The play page: nothing about the answer before the guess, everything after it."""

import asyncio
import io

import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.charts.maps import choice_map
from dashboard.game.rules import Game
from dashboard.game.scoreboard import read_results
from dashboard.sources.photos import picture
from euguess.images.limited_decoder import DecoderPool
from euguess.messages.serving import Prediction
from euguess.messages.training import SeenViews
from tests.support.dashboard_services import FakeServices, prediction
from tests.unit.dashboard.conftest import Draw
from tests.unit.dashboard.held_out_places import PLACES, services


def started(draw: Draw, given: FakeServices) -> AppTest:
    page = draw("play", given.connections())
    page.text_input[0].set_value("<b>Ada</b>")
    page.button[0].click().run(timeout=30)
    assert not page.exception
    return page


def give(page: AppTest, code: str) -> AppTest:
    page.selectbox[0].set_value(code).run(timeout=30)
    return page.button[0].click().run(timeout=30)


def game_of(page: AppTest) -> Game:
    game = page.session_state["game"]
    assert isinstance(game, Game)
    return game


def everything_on(page: AppTest) -> str:
    """Return everything that is sent to the browser."""
    return "".join(str(element.proto) for element in page.main) + str(page.main)


def test_the_page_reveals_nothing_about_the_place_before_the_guess(draw: Draw) -> None:
    page = started(draw, services())
    place, sent = game_of(page).location, everything_on(page)
    assert place.location_id not in sent
    assert place.location_id.removeprefix("simulator-") not in sent
    assert not [key for key in place.keys if key in sent]
    assert f"{place.attribution} ·" not in sent
    assert "/media/" in sent
    assert list(page.selectbox[0].options) == ["France", "Poland"]


def test_the_page_does_not_call_places_new_if_they_are_unknown(draw: Draw) -> None:
    given = services()
    assert (
        "not trained on any of these places" in draw("play", given.connections()).markdown[0].value
    )
    assert given.card
    given.card = given.card.model_copy(update={"may_leak": True})
    st.cache_data.clear()
    text = draw("play", given.connections()).markdown[0].value
    assert "perhaps on others of the same places" in text


def test_the_error_of_a_missing_photo_does_not_contain_its_key(draw: Draw) -> None:
    given = services()
    asyncio.run(_lose_photos(given))
    page = started(draw, given)
    place, sent = game_of(page).location, everything_on(page)
    assert page.error[0].value.startswith("There is no object with that key")
    assert "cannot be shown" in page.warning[0].value
    assert not [key for key in place.keys if key in sent]


async def _lose_photos(given: FakeServices) -> None:
    async for key in given.objects.list("datasets/"):
        if key.endswith(".jpg"):
            await given.objects.delete(key)


def test_places_seen_by_the_champion_are_not_played(draw: Draw) -> None:
    ids = {place.location_id for place in game_of(started(draw, services())).locations}
    assert len(ids) == 10
    assert not ids & {"simulator-FR0", "simulator-FR1"}


def test_after_the_guess_the_truth_the_model_and_the_attribution_are_shown(draw: Draw) -> None:
    page = give(started(draw, services(guess=lambda _: prediction("PL", 0.61))), "FR")
    assert page.header[0].value == "This is France."
    assert page.success[0].value == "You: France"
    assert page.error[0].value == r"The model: Poland, 61% sure"
    assert any("drawn" in caption.value for caption in page.caption)


def test_a_finished_game_shows_its_score_and_is_stored(draw: Draw) -> None:
    given = services(guess=lambda _: prediction("PL"))
    page = started(draw, given)
    for _ in range(10):
        page = give(page, "FR").button[0].click().run(timeout=30)
    assert page.header[0].value == "You won!"
    (kept,) = asyncio.run(read_results(given.objects))
    assert (kept.player, kept.right, kept.model_right) == ("<b>Ada</b>", 10, 0)
    assert page.dataframe[-1].value["Player"].tolist() == ["<b>Ada</b>"]
    page.run(timeout=30)
    assert len(asyncio.run(read_results(given.objects))) == 1


def test_a_round_stays_open_while_torchserve_is_down(draw: Draw) -> None:
    given = services()
    given.down = {"torchserve"}
    page = give(started(draw, given), "FR")
    assert "TorchServe" in page.error[0].value
    assert game_of(page).answers == []


def test_a_new_champion_ends_the_game(draw: Draw) -> None:
    other = prediction("FR")
    model = other.model.model_copy(update={"version": "8"})

    def answer(_: bytes) -> Prediction:
        return other.model_copy(update={"model": model})

    page = give(started(draw, services(guess=answer)), "FR")
    assert "another model" in page.error[0].value


@pytest.mark.parametrize("name", ["mlflow", "store"])
def test_an_outage_is_shown(draw: Draw, name: str) -> None:
    given = services()
    given.down = {name}
    page = draw("play", given.connections())
    assert not page.exception
    assert len(page.error) == 1


def test_without_a_champion_the_page_shows_how_to_train_one(draw: Draw) -> None:
    page = draw("play", FakeServices().connections())
    assert "euguess train" in page.code[0].value


def test_a_champion_that_has_seen_every_place_cannot_be_played(draw: Draw) -> None:
    given = services()
    ids = tuple(f"simulator-FR{index}" for index in range(PLACES))
    given.seen = SeenViews(location_ids=ids, sha256s=())
    page = draw("play", given.connections())
    page.button[0].click().run(timeout=30)
    assert "seen every place" in page.info[0].value


def test_pictures_have_no_location_metadata() -> None:
    exif = Image.Exif()
    exif[0x010E] = "Paris, France"
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48)).save(buffer, "JPEG", exif=exif, comment=b"Paris")
    bare = picture(DecoderPool(1), buffer.getvalue(), 64)
    assert bare is not None
    assert b"Paris" not in bare
    with Image.open(io.BytesIO(bare)) as image:
        assert (image.size, dict(image.getexif())) == ((64, 48), {})


def test_the_map_offers_the_countries_of_the_model_and_highlights_the_selected_one() -> None:
    rows = choice_map({"FR", "PL"}, "PL").layers[1].data
    fills = {row["properties"]["code"]: row["properties"]["fill"] for row in rows}
    assert set(fills) == {"FR", "PL"}
    assert fills["PL"] != fills["FR"]


def test_the_map_shows_the_truth_only_after_the_guess(draw: Draw) -> None:
    page = started(draw, services())
    assert "Orange border: the truth." not in everything_on(page)
    assert "Orange border: the truth." in everything_on(give(page, "FR"))
