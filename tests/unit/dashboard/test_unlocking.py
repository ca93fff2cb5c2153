"""Where others can reach the dashboard, a session needs the token before it may change anything."""

from dataclasses import replace

import pytest
from pydantic import SecretStr
from streamlit.testing.v1 import AppTest

from dashboard.access import FIELD
from dashboard.connections import Connections
from euguess.access.policy import AccessPolicy
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    StatusCounts,
)
from tests.support.dashboard_services import FakeServices, candidate, model_card
from tests.support.generated_services import training
from tests.unit.dashboard.conftest import Draw

TOKEN = "0123456789abcdef"
ACTIONS = {"training": "Resume", "models": "Promote version", "overview": "Stop"}
TITLES = {"overview": "EUGuess"}


def connections(policy: AccessPolicy) -> Connections:
    services = FakeServices(
        card=model_card("FR", "PL"),
        versions=[candidate(1)],
        statuses=[collecting()],
        trainings=[replace(training("run-1", 1), status="FAILED")],
    )
    return replace(services.connections(), policy=policy)


def collecting() -> DatasetStatus:
    counts = StatusCounts(requested=4, stored=1, no_coverage=0, failed=0, pending=3)
    return DatasetStatus(
        spec=DatasetSpec(name="demo", quotas={"FR": 4}),
        state=DatasetState.COLLECTING,
        total=counts,
        countries={"FR": counts},
    )


def buttons(page: AppTest) -> list[str]:
    assert not page.exception
    return [button.label for button in page.button]


def unlocked_with(page: AppTest, token: str) -> AppTest:
    page.text_input(key="access-token").input(token)
    return next(b for b in page.button if b.label == "Unlock").click().run(timeout=30)


@pytest.mark.parametrize("view", ACTIONS)
def test_on_loopback_a_page_asks_for_nothing(draw: Draw, view: str) -> None:
    page = draw(view, connections(AccessPolicy()))
    assert any(label.startswith(ACTIONS[view]) for label in buttons(page))
    assert "Unlock" not in buttons(page)


@pytest.mark.parametrize("view", ACTIONS)
def test_elsewhere_a_page_is_readable_and_changes_need_the_token(draw: Draw, view: str) -> None:
    page = draw(view, connections(AccessPolicy(token=SecretStr(TOKEN))))
    assert buttons(page) == ["Unlock"]
    assert "cat /run/secrets/access_token" in page.text_input(key=FIELD).help
    assert page.title[0].value == TITLES.get(view, view.capitalize())
    page = unlocked_with(page, TOKEN[:-1])
    assert buttons(page) == ["Unlock"]
    assert "not the access token" in page.error[0].value
    page = unlocked_with(page, TOKEN)
    assert any(label.startswith(ACTIONS[view]) for label in buttons(page))
    assert "Unlock" not in buttons(page)
    assert any(label.startswith(ACTIONS[view]) for label in buttons(page.run(timeout=30)))
