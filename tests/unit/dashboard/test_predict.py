"""The page of predictions: photos in, an answer or the server's reason out."""

import io

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard.charts.maps import probability_map
from dashboard.charts.prediction import top_chart
from dashboard.curl import predict_command, token_command
from euguess.schemas import Prediction, SeenViews
from tests.dashboard_services import FakeServices, prediction
from tests.unit.dashboard.conftest import Draw
from tests.unit.dashboard.held_out_places import PLACES, services


def photo() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (48, 32), (90, 140, 90)).save(buffer, "JPEG")
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
    return page.segmented_control[0].set_value("An example").run(timeout=30)


def test_uploaded_photos_are_answered_in_words_bars_and_a_map(draw: Draw) -> None:
    page = asked(draw, FakeServices(), photo(), photo())
    assert not page.exception
    assert page.header[0].value == "France, 60%"
    assert "**Country set** (1): France" in [text.value for text in page.markdown]
    assert not page.warning


def test_an_unsure_model_is_said_to_abstain(draw: Draw) -> None:
    page = asked(draw, FakeServices(guess=lambda _: unsure()), photo())
    assert "would rather not answer" in page.warning[0].value
    assert any("France, Poland, Germany" in text.value for text in page.markdown)


def test_what_is_no_photo_gets_the_servers_reason_and_the_page_goes_on(draw: Draw) -> None:
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
    assert "send 1 to 8" in page.error[0].value


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


def test_where_nothing_is_held_out_the_page_teaches_how_to_get_an_example(draw: Draw) -> None:
    given = services()
    ids = tuple(f"simulator-FR{index}" for index in range(PLACES))
    given.seen = SeenViews(location_ids=ids, sha256s=())
    assert "seen every place" in example(draw, given).info[0].value


@pytest.mark.parametrize("name", ["mlflow", "store", "torchserve"])
def test_what_is_down_is_said(draw: Draw, name: str) -> None:
    given = services()
    given.down = {name}
    page = example(draw, given)
    assert not page.exception
    assert len(page.error) == 1


def test_the_token_stays_in_a_variable() -> None:
    command = predict_command("http://127.0.0.1:8703/", 2)
    assert '"Authorization: Bearer $EUGUESS_INFERENCE_TOKEN"' in command
    assert "-F view1=@photo1.jpg -F view2=@photo2.jpg" in command
    assert command.endswith("http://127.0.0.1:8703/predictions/euguess")


def test_names_of_containers_are_not_shown_to_people() -> None:
    url = "http://inference:8080"
    assert "http://127.0.0.1:8703/" in predict_command(url, 1)
    assert "docker compose exec" in token_command(url, "/run/tokens/inference.json")


def test_the_bars_name_their_axes_and_mark_the_country_set() -> None:
    text = top_chart(unsure()).to_json()
    assert "Probability (%)" in text
    assert "in the 90 % set" in text


def test_the_map_outlines_countries_of_unknown_probability_too() -> None:
    rows = probability_map({"FR": 0.7}, ("FR", "PL")).layers[1].data
    found = {row["properties"]["country"]: row["properties"] for row in rows}
    assert found["France"]["share"] == "70.0%"
    assert found["Poland"]["share"] == "in the 90 % set"
    assert found["Poland"]["fill"][3] == 0
    assert found["France"]["line"] == found["Poland"]["line"]
