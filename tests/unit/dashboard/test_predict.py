"""The predict page: photos in, a prediction or the server's reason out."""

import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.charts.maps import probability_map
from dashboard.charts.prediction import top_chart, views_chart, views_frame
from dashboard.glossary import explain
from dashboard.views.predict.curl import predict_command, token_command
from euguess.messages.serving import Prediction
from euguess.messages.training import SeenViews
from tests.support.dashboard_services import FakeServices, model_card, prediction
from tests.unit.dashboard.conftest import Draw
from tests.unit.dashboard.held_out_places import PLACES, services


def photo(red: int = 90) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (red, 140, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def unsure() -> Prediction:
    change = {"abstain": True, "country_set": ("FR", "PL", "DE")}
    return prediction("FR", 0.3).model_copy(update=change)


def asked(draw: Draw, given: FakeServices, *photos: bytes) -> AppTest:
    page = draw("predict", given.connections())
    files = [(f"{n}.jpg", data, "image/jpeg") for n, data in enumerate(photos)]
    page.file_uploader[0].set_value(files)
    return page.run(timeout=30)


def example(draw: Draw, given: FakeServices) -> AppTest:
    page = draw("predict", given.connections())
    return page.segmented_control[0].set_value("Example").run(timeout=30)


def test_uploaded_photos_get_a_prediction_with_chart_and_map(draw: Draw) -> None:
    page = asked(draw, FakeServices(), photo(), photo())
    assert not page.exception
    assert page.header[0].value == "France, 60%"
    assert "**Country set** (1): France" in [text.value for text in page.markdown]
    assert not page.warning


def test_a_model_of_unknown_places_says_that_its_test_may_leak(draw: Draw) -> None:
    given = FakeServices(card=model_card("FR", "PL").model_copy(update={"may_leak": True}))
    page = asked(draw, given, photo())
    assert not page.exception
    assert any("places unknown: may leak" in caption.value for caption in page.caption)


def test_an_abstaining_model_is_shown_as_such(draw: Draw) -> None:
    page = asked(draw, FakeServices(guess=lambda _: unsure()), photo())
    assert page.header[0].value == "Best guess: France (30%)"
    assert page.header[0].help == explain("abstain")
    assert "The model abstains" in page.warning[0].value
    assert any("France, Poland, Germany" in text.value for text in page.markdown)


def test_photos_unlike_those_of_training_are_shown_as_such(draw: Draw) -> None:
    unlike = prediction("FR", 0.9).model_copy(update={"unfamiliar": True, "abstain": True})
    page = asked(draw, FakeServices(guess=lambda _: unlike), photo())
    assert page.header[0].value == "Best guess: France (90%)"
    assert ["unlike anything" in one.value for one in page.warning] == [True]


def test_an_invalid_photo_shows_the_servers_reason_and_the_page_recovers(draw: Draw) -> None:
    given = FakeServices(refusal="View 2: not an image <b>at all</b>")
    page = asked(draw, given, photo(), b"no photo")
    assert r"View 2\: not an image \<b\>at all" in page.error[0].value
    assert page.warning[0].value == "View 2 cannot be shown."
    assert page.code
    given.refusal = ""
    page.file_uploader[0].set_value([("1.jpg", photo(), "image/jpeg")]).run(timeout=30)
    assert page.header[0].value == "France, 60%"


def test_nine_photos_are_too_many(draw: Draw) -> None:
    page = asked(draw, FakeServices(), *[photo()] * 9)
    assert "Send 1 to 8" in page.error[0].value


def test_an_example_is_held_out_and_shown_with_its_country_and_owner(draw: Draw) -> None:
    given = services(guess=lambda _: prediction("PL"))
    page = example(draw, given)
    assert not page.exception
    assert page.error[0].value == "Wrong: this is France."
    owed = next(text.value for text in page.caption if "Held out" in text.value)
    assert not [name for name in given.seen.location_ids if owed.endswith(name)]


def test_another_example_is_drawn_on_demand_only(draw: Draw) -> None:
    page = example(draw, services())
    first = page.session_state["predict-example"]
    assert page.run(timeout=30).session_state["predict-example"] == first


def test_without_held_out_places_the_page_shows_how_to_train_with_some(draw: Draw) -> None:
    given = services()
    ids = tuple(f"simulator-FR{index}" for index in range(PLACES))
    given.seen = SeenViews(location_ids=ids, sha256s=())
    assert "seen every place" in example(draw, given).info[0].value


def test_without_a_champion_the_example_shows_how_to_train_one(draw: Draw) -> None:
    page = example(draw, FakeServices())
    assert not page.exception
    assert "No model to query yet" in page.info[0].value
    assert "euguess train" in page.code[0].value


@pytest.mark.parametrize("name", ["mlflow", "store", "torchserve"])
def test_an_outage_is_shown(draw: Draw, name: str) -> None:
    given = services()
    given.down = {name}
    page = example(draw, given)
    assert not page.exception
    assert len(page.error) == 1


def test_each_photo_is_predicted_alone_on_demand(draw: Draw) -> None:
    asked_about: list[bytes] = []

    def guess(body: bytes) -> Prediction:
        asked_about.append(body)
        return prediction("FR" if b"view2" in body else "PL")

    first, second = photo(), photo(200)
    page = asked(draw, FakeServices(guess=guess), first, second)
    assert len(asked_about) == 1
    page = page.toggle(key="predict-alone").set_value(True).run(timeout=30)
    assert not page.exception
    assert asked_about[1:] == [first, second]


def test_heat_maps_and_the_effect_of_each_photo_are_shown_on_demand(draw: Draw) -> None:
    page = asked(draw, FakeServices(views_explained=2), photo(), photo(200))
    assert not page.get("image")[2:]
    page = page.toggle(key="predict-why").set_value(True).run(timeout=30)
    assert not page.exception
    maps = [image.proto.imgs[0].caption for image in page.get("image")[2:]]
    assert maps == ["View 1: +0.0 points", "View 2: +10.0 points"]
    assert any("grad\\-cam" in text.value for text in page.caption)


def test_a_single_photo_has_a_heat_map_and_no_effect(draw: Draw) -> None:
    page = asked(draw, FakeServices(), photo())
    page = page.toggle(key="predict-why").set_value(True).run(timeout=30)
    assert [image.proto.imgs[0].caption for image in page.get("image")[1:]] == ["View 1"]


def test_a_photo_with_a_different_prediction_is_distinguished() -> None:
    frame = views_frame(prediction("FR"), [prediction("FR", 0.9), prediction("PL", 0.7)])
    assert frame["agrees"].tolist() == ["same country", "different country"]
    assert frame["probability"].tolist() == [0.9, 0.3]
    assert frame["view"].tolist() == ["1: France, 90%", "2: Poland, 70%"]
    chart = views_chart(prediction("FR"), [prediction("PL")]).to_json()
    assert "Probability of France (%)" in chart


def test_the_token_stays_in_a_variable() -> None:
    command = predict_command("http://127.0.0.1:8703/", 2)
    assert '"Authorization: Bearer $EUGUESS_INFERENCE_TOKEN"' in command
    assert "-F view1=@photo1.jpg -F view2=@photo2.jpg" in command
    assert command.endswith("http://127.0.0.1:8703/predictions/euguess")


def test_commands_do_not_contain_container_names() -> None:
    url = "http://inference:8080"
    assert "http://127.0.0.1:8703/" in predict_command(url, 1)
    assert "docker compose exec" in token_command(url, "/run/tokens/inference.json")


def test_the_chart_has_axis_titles_and_marks_the_country_set() -> None:
    text = top_chart(unsure()).to_json()
    assert "Probability (%)" in text
    assert "in the 90% set" in text


def test_the_map_shades_all_countries_of_the_model_and_outlines_the_country_set() -> None:
    shares = {"FR": 0.7, "PL": 0.25, "DE": 0.05}
    rows = probability_map(shares, ("FR", "PL")).layers[1].data
    found = {row["properties"]["country"]: row["properties"] for row in rows}
    assert {name: row["share"] for name, row in found.items()} == {
        "France": "70.0%",
        "Poland": "25.0%",
        "Germany": "5.0%",
    }
    assert found["France"]["fill"][3] > found["Poland"]["fill"][3] > found["Germany"]["fill"][3]
    assert found["France"]["line"] == found["Poland"]["line"] != found["Germany"]["line"]
