"""The overview's logic, drawn by Streamlit's own test runner."""

import pytest

from dashboard.views.overview.budget import raise_command, spent_share, spent_text
from euguess.clock import utc_now
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
    StatusCounts,
)
from tests.support.dashboard_services import FakeServices, model_card
from tests.unit.dashboard.conftest import Draw

COUNTS = StatusCounts(requested=5, stored=2, no_coverage=1, failed=1, pending=1)


def status(
    state: DatasetState, reason: str | None = None, budget: Budget | None = None
) -> DatasetStatus:
    return DatasetStatus(
        spec=DatasetSpec(name="demo", quotas={"FR": 5}),
        state=state,
        reason=reason,
        total=COUNTS,
        countries={"FR": COUNTS},
        failures={"damaged <b>photo</b>": 1},
        images_spent=300,
        dollars_spent=1.25,
        budget=budget,
        is_budget_spent=budget is not None and state is DatasetState.PAUSED,
    )


def running() -> FakeServices:
    return FakeServices(statuses=[status(DatasetState.COLLECTING)], card=model_card("FR", "PL"))


def test_counts_and_spend_of_a_collection_are_shown(draw: Draw) -> None:
    drawn = draw("overview", running().connections())
    assert not drawn.exception
    shown = {m.label: m.value for m in drawn.metric}
    counts = {"Requested": "5", "Stored": "2", "No coverage": "1", "Failed": "1", "Pending": "1"}
    assert shown.items() >= counts.items()
    assert shown["Spent"] == "$1.25"


def test_a_stop_in_progress_and_an_awaited_lease_are_shown(draw: Draw) -> None:
    lost = {"in_progress": 73, "silent": 2, "silent_seconds": 55.2}
    stopping = status(DatasetState.STOPPED).model_copy(update=lost)
    drawn = draw("overview", FakeServices(statuses=[stopping]).connections())
    assert not drawn.exception
    assert any("2 places wait" in info.value and "in 55 s" in info.value for info in drawn.info)
    bars = [bar.proto.text for bar in drawn.get("progress")]
    assert "Stopping: 73 in progress: 4 of 5 places" in bars


def test_a_pause_is_shown_with_its_reason_as_text(draw: Draw) -> None:
    services = FakeServices(statuses=[status(DatasetState.PAUSED, "quota <b>spent</b> **now**")])
    drawn = draw("overview", services.connections())
    assert r"quota \<b\>spent\</b\> \*\*now\*\*" in drawn.warning[0].value


def test_a_spent_budget_is_shown_with_the_command_that_raises_it(draw: Draw) -> None:
    reason = "the budget of 300 images is spent"
    paused = status(DatasetState.PAUSED, reason, Budget(images=300, dollars=5))
    drawn = draw("overview", FakeServices(statuses=[paused]).connections())
    assert not drawn.exception
    assert "300 images is spent. 1 place pending. Raise the budget" in drawn.warning[0].value
    commands = [code.value for code in drawn.code]
    assert "euguess dataset budget demo --images 303 --dollars 5.00" in commands


def test_the_raised_budget_covers_all_pending_places() -> None:
    spent = status(DatasetState.PAUSED, budget=Budget(images=0, dollars=1))
    google = spent.model_copy(
        update={"spec": DatasetSpec(name="demo", quotas={"FR": 5}, provider="google")}
    )
    assert raise_command(google).endswith(" --images 303 --dollars 1.28")  # 1.25 + 3 x 0.007


def test_the_spent_share_is_that_of_the_closest_cap() -> None:
    spent = status(DatasetState.COLLECTING, budget=Budget(images=600, dollars=2))
    assert spent_share(spent) == 0.625
    assert spent_text(spent) == r"300 of 600 images, \$1.25 of \$2.00 spent"
    assert spent_share(status(DatasetState.COLLECTING)) is None


def test_the_champion_is_shown_with_its_interval_and_chance(draw: Draw) -> None:
    drawn = draw("overview", running().connections())
    shown = {m.label: m.value for m in drawn.metric}
    assert shown["Accuracy, all views fused"] == "53.0% [41, 66]"
    assert shown["Chance"] == "50.0%"
    assert any("honest" in m.value for m in drawn.markdown)


def test_a_champion_with_a_leaky_split_is_marked_leaky(draw: Draw) -> None:
    services = FakeServices(card=model_card("FR", "PL", protocol="image"))
    drawn = draw("overview", services.connections())
    assert any("-badge[leaky]" in m.value for m in drawn.markdown)


def test_a_champion_of_unknown_places_is_not_marked_honest(draw: Draw) -> None:
    card = model_card("FR", "PL").model_copy(update={"may_leak": True})
    drawn = draw("overview", FakeServices(card=card).connections())
    assert any("-badge[places unknown]" in m.value for m in drawn.markdown)


def test_queues_and_dead_letters_are_shown(draw: Draw) -> None:
    services = running()
    services.queues = QueueStatus(messages={"fetch": 4}, slots_in_flight=150, dead_letters=1)
    letter = DeadLetter(source="fetcher", reason="poison", payload=None, at=utc_now())
    services.letters = [letter]
    drawn = draw("overview", services.connections())
    shown = {m.label: m.value for m in drawn.metric}
    assert (shown["Queued fetch messages"], shown["Places in progress"]) == ("4", "150")
    assert list(drawn.dataframe[-1].value["Reason"]) == ["poison"]


def test_empty_states_show_the_next_step(draw: Draw) -> None:
    drawn = draw("overview", FakeServices().connections())
    commands = " ".join(code.value for code in drawn.code)
    assert "euguess dataset create" in commands
    assert "euguess train" in commands


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("sampler", "Sampler"),
        ("mlflow", "MLflow"),
        ("torchserve", "TorchServe"),
        ("store", "Store"),
    ],
)
def test_a_service_that_is_down_affects_only_its_part(draw: Draw, name: str, shown: str) -> None:
    services = running()
    services.down = {name}
    drawn = draw("overview", services.connections())
    assert not drawn.exception
    assert any(f"**{shown}**" in warning.value for warning in drawn.warning)
    labels = {m.label for m in drawn.metric}
    assert ("Requested" in labels) == (name != "sampler")
    assert ("Chance" in labels) == (name != "mlflow")


def test_redis_is_reported_by_the_sampler(draw: Draw) -> None:
    services = FakeServices(troubles={"redis": "does not answer"})
    drawn = draw("overview", services.connections())
    assert [w.value.partition(":")[0] for w in drawn.warning] == ["**Redis**"]


def test_an_import_shows_places_and_photos_and_requests_nothing(draw: Draw) -> None:
    imported = status(DatasetState.COMPLETE)
    spec = DatasetSpec(name="demo", quotas={"FR": 5}, provider="folder")
    imported = imported.model_copy(update={"spec": spec, "images": 7})
    drawn = draw("overview", FakeServices(statuses=[imported]).connections())
    shown = {m.label: m.value for m in drawn.metric}
    assert (shown["Places"], shown["Photos"]) == ("2", "7")
    assert "Requested" not in shown
