"""Collections are started, stopped, resumed and given budgets on the overview."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.views.overview.start import create_command
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    StatusCounts,
)
from tests.support.dashboard_services import FakeServices
from tests.unit.dashboard.conftest import Draw

COUNTS = StatusCounts(requested=5, stored=2, no_coverage=0, failed=0, pending=3)
SPEC = DatasetSpec(name="trip", quotas={"FR": 5})


def services(state: DatasetState, **changes: object) -> FakeServices:
    found = DatasetStatus(spec=SPEC, state=state, total=COUNTS, countries={"FR": COUNTS})
    return FakeServices(statuses=[found.model_copy(update=changes)])


def labels(page: AppTest) -> list[str]:
    assert not page.exception
    return [button.label for button in page.button]


def pressed(page: AppTest, label: str) -> AppTest:
    return next(b for b in page.button if b.label == label).click().run(timeout=30)


def filled(
    draw: Draw,
    made: FakeServices,
    name: str = "trip",
    provider: str = "simulator",
    dollars: float | None = None,
) -> AppTest:
    page = draw("overview", made.connections())
    page.text_input(key="collection-name").set_value(name)
    page.multiselect(key="collection-countries").set_value(["PL", "FR"])
    page.number_input(key="collection-places").set_value(7)
    page.selectbox(key="collection-provider").set_value(provider)
    page.number_input(key="collection-dollars").set_value(dollars)
    return page.run(timeout=30)


def test_a_collection_is_started_after_a_quote(draw: Draw) -> None:
    made = services(DatasetState.COMPLETE)
    page = filled(draw, made)
    assert "14 places, 42 images, free." in [text.value for text in page.markdown]
    command = "euguess dataset create trip --preset europe --countries FR,PL --per-country 7"
    assert f"The same as a command: `{command}`" in [text.value for text in page.caption]
    assert made.changes == []
    page = pressed(page, "Start")
    ((method, path, body),) = made.changes
    assert (method, path) == ("POST", "/datasets")
    assert DatasetSpec.model_validate_json(body).quotas == {"FR": 7, "PL": 7}
    assert "Collecting trip" in page.success[0].value


def test_a_provider_that_charges_needs_a_budget(draw: Draw) -> None:
    made = services(DatasetState.COMPLETE)
    page = filled(draw, made, provider="google")
    assert "Start" not in labels(page)
    assert "Set a budget" in page.warning[0].value
    page = filled(draw, made, provider="google", dollars=0.1)
    assert "covers only 4 of 14 places" in page.warning[0].value
    pressed(page, "Start")
    assert json.loads(made.changes[0][2])["budget"] == {"images": None, "dollars": 0.1}


def test_an_invalid_name_is_refused_before_anything_is_sent(draw: Draw) -> None:
    page = filled(draw, services(DatasetState.COMPLETE), name="No Spaces")
    assert "No Spaces" in page.error[0].value
    assert "Start" not in labels(page)


@pytest.mark.parametrize(
    ("state", "label", "sent"),
    [
        (DatasetState.COLLECTING, "Stop", ("DELETE", "/datasets/trip")),
        (DatasetState.STOPPED, "Resume", ("POST", "/datasets")),
        (DatasetState.PAUSED, "Resume", ("POST", "/datasets")),
    ],
)
def test_a_collection_is_stopped_and_resumed(
    draw: Draw, state: DatasetState, label: str, sent: tuple[str, str]
) -> None:
    made = services(state)
    pressed(draw("overview", made.connections()), label)
    ((method, path, body),) = made.changes
    assert (method, path) == sent
    if method == "POST":
        assert DatasetSpec.model_validate_json(body) == SPEC


def test_a_spent_budget_is_raised_rather_than_resumed(draw: Draw) -> None:
    made = services(DatasetState.PAUSED, is_budget_spent=True, budget=Budget(images=6))
    page = draw("overview", made.connections())
    assert "Resume" not in labels(page)
    page.number_input(key="budget-trip-images").set_value(15)
    page = pressed(page, "Set budget")
    assert made.changes == [("PUT", "/datasets/trip/budget", '{"images":15,"dollars":null}')]


def test_a_complete_collection_cannot_be_stopped(draw: Draw) -> None:
    page = draw("overview", services(DatasetState.COMPLETE).connections())
    assert not {"Stop", "Resume", "Set budget"} & set(labels(page))


def test_the_command_of_a_collection_has_all_its_options() -> None:
    spec = SPEC.model_copy(update={"provider": "google", "budget": Budget(images=9, dollars=2.5)})
    assert create_command(spec) == (
        "euguess dataset create trip --preset europe --countries FR --per-country 5 "
        "--provider google --budget-images 9 --budget-dollars 2.5"
    )
