"""Start, stop and resume runs on the training page."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Button

from dashboard.views.training.recipes import shipped_recipes, with_overrides
from euguess.errors import InvalidRecipe
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    DeadLetter,
    QueueStatus,
    StatusCounts,
)
from euguess.messages.training import TrainRun
from euguess.training.runs import LOST_AFTER, STOP_TAG, TrainingRun
from tests.support.dashboard_services import FakeServices
from tests.unit.dashboard.conftest import Draw

STARTED = datetime(2026, 2, 3, tzinfo=UTC)
RECIPE = 'name = "deep"\nnetwork = "smallnet"\nepochs = 8\n'
COUNTS = StatusCounts(requested=2, stored=2, no_coverage=0, failed=0, pending=0)
DATASET = DatasetStatus(
    spec=DatasetSpec(name="demo", quotas={"FR": 2}),
    state=DatasetState.COMPLETE,
    total=COUNTS,
    countries={"FR": COUNTS},
)
RUN = TrainingRun(
    run_id="run-1",
    status="RUNNING",
    started_at=STARTED,
    dataset="demo",
    protocol="location",
    settings={"name": "deep", "network": "smallnet", "epochs": "8"},
)
STOPPED = replace(RUN, status="KILLED", promotes=True)


def services(*runs: TrainingRun, **changes: object) -> FakeServices:
    made = FakeServices(statuses=[DATASET], trainings=list(runs), recipes={"run-1": RECIPE})
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def drawn(draw: Draw, given: FakeServices) -> AppTest:
    page = draw("training", given.connections())
    assert not page.exception
    return page


def buttons(page: AppTest, label: str) -> list[Button]:
    return [button for button in page.button if button.label == label]


def pressed(page: AppTest, label: str) -> AppTest:
    (button,) = buttons(page, label)
    page = button.click().run(timeout=30)
    assert not page.exception
    return page


def text_of(page: AppTest) -> str:
    blocks = (page.info, page.success, page.error, page.markdown, page.code, page.caption)
    return "\n".join(str(element.value) for block in blocks for element in block)


def test_a_run_is_started_with_the_previewed_recipe(draw: Draw) -> None:
    given = services()
    page = drawn(draw, given)
    page.session_state["training-start"] = True
    assert page.selectbox(key="start-recipe").value == "demo"
    changes = "epochs=2\n\n optimizer.name = sgd\n"
    page = page.text_area(key="start-changes").set_value(changes).run(timeout=30)
    page = page.checkbox(key="start-promote").check().run(timeout=30)
    preview = page.code[0].value
    assert "epochs = 2" in preview
    page = pressed(page, "Start")
    (order,) = given.train_requests
    assert (order.dataset, order.recipe.strip(), order.promote) == ("demo", preview, True)
    assert 'name = "sgd"' in preview
    assert "Queued on demo" in page.success[0].value


def test_a_double_click_starts_one_run(draw: Draw) -> None:
    given = services()
    page = drawn(draw, given)
    (first,) = buttons(page, "Start")
    pressed(page, "Start")
    first.click().run(timeout=30)
    assert len(given.train_requests) == 1


def test_a_run_can_be_started_with_the_recipe_of_another_run(draw: Draw) -> None:
    given = services(replace(RUN, status="FINISHED"))
    page = drawn(draw, given)
    page = page.selectbox(key="start-recipe").set_value("run run-1").run(timeout=30)
    pressed(page, "Start")
    assert given.train_requests == [TrainRun(dataset="demo", recipe=RECIPE)]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ("epochs", "write it as key=value"),
        ("name.first=x", "name is a value, not a table"),
        ("epoch=2", "unknown key epoch; the keys here are"),
        ("epochs=0", "epochs: Input should be greater than or equal to 1"),
    ],
)
def test_an_invalid_override_is_shown_and_cannot_be_submitted(
    draw: Draw, changes: str, reason: str
) -> None:
    page = drawn(draw, services())
    page = page.text_area(key="start-changes").set_value(changes).run(timeout=30)
    assert reason in page.error[0].value.replace("\\", "")
    assert not buttons(page, "Start")


def test_a_sampler_error_is_shown_beside_the_form(draw: Draw) -> None:
    given = services()
    page = drawn(draw, given)
    given.down.add("sampler")
    page = pressed(page, "Start")
    assert "sampler" in page.error[0].value
    assert given.train_requests == []


def test_a_run_that_starts_after_a_request_is_selected(draw: Draw) -> None:
    given = services(replace(RUN, run_id="run-0", status="FINISHED"))
    page = pressed(drawn(draw, given), "Start")
    given.trainings.insert(0, RUN)
    draw_again = page.text_area(key="start-changes").set_value("seed=1")
    clear_caches()
    page = draw_again.run(timeout=30)
    assert page.multiselect(key="training-runs").value == ["run-1", "run-0"]


def clear_caches() -> None:
    """Clear the caches, as if their time to live had passed."""
    from dashboard.sources.runs import read_trainings

    read_trainings.clear()


def test_a_run_in_progress_is_stopped_once(draw: Draw) -> None:
    given = services(RUN)
    page = pressed(drawn(draw, given), "Stop")
    assert given.tagged == [("set-tag", "run-1", STOP_TAG)]
    assert "stopping after the current epoch" in text_of(page)
    given.trainings = [replace(RUN, is_stopping=True)]
    again = drawn(draw, given)
    assert "stopping after the current epoch" in text_of(again)
    assert not buttons(again, "Stop")


@pytest.mark.parametrize("status", ["KILLED", "FAILED"])
def test_a_stopped_or_failed_run_is_resumed_with_its_own_recipe(draw: Draw, status: str) -> None:
    given = services(replace(STOPPED, status=status))
    page = pressed(drawn(draw, given), "Resume")
    order = TrainRun(dataset="demo", recipe=RECIPE, promote=True, resumes="run-1")
    assert given.train_requests == [order]
    assert given.tagged == [("delete-tag", "run-1", STOP_TAG)]
    assert "queued. It resumes" in text_of(page)
    again = page.run(timeout=30)
    assert not buttons(again, "Resume")


def test_a_lost_run_can_be_resumed_but_not_stopped(draw: Draw) -> None:
    given = services(replace(RUN, alive_at=STARTED))
    page = drawn(draw, given)
    assert "no heartbeat since 03 Feb 00:00 UTC" in page.warning[0].value
    assert not buttons(page, "Stop")
    page = pressed(page, "Resume")
    assert [order.resumes for order in given.train_requests] == ["run-1"]
    assert not buttons(page.run(timeout=30), "Resume")


def test_a_run_is_lost_after_minutes_without_a_heartbeat() -> None:
    alive = replace(RUN, alive_at=STARTED)
    assert not alive.is_lost(STARTED + LOST_AFTER)
    assert alive.is_lost(STARTED + 2 * LOST_AFTER)
    assert not replace(alive, status="FINISHED").is_lost(STARTED + 2 * LOST_AFTER)
    assert not RUN.is_lost(STARTED + 2 * LOST_AFTER)


def test_a_rejected_resume_can_be_requested_again(draw: Draw) -> None:
    given = services(STOPPED)
    page = pressed(drawn(draw, given), "Resume")
    given.letters = [letter(given.train_requests[0], at=datetime(2100, 1, 1, tzinfo=UTC))]
    from dashboard.sources.collections import read_dead_letters

    read_dead_letters.clear()
    assert buttons(page.run(timeout=30), "Resume")


def test_a_resume_without_a_checkpoint_is_shown_as_a_new_run(draw: Draw) -> None:
    given = services(STOPPED)
    page = pressed(drawn(draw, given), "Resume")
    anew = replace(RUN, run_id="run-2", started_at=datetime(2100, 1, 1, tzinfo=UTC))
    given.trainings.insert(0, anew)
    clear_caches()
    assert "started over as a new run" in text_of(page.run(timeout=30))


def letter(order: TrainRun, at: datetime = STARTED) -> DeadLetter:
    return DeadLetter(
        source="trainer", reason="unknown key *x*.", payload=order.model_dump_json(), at=at
    )


def test_queued_and_rejected_requests_are_shown(draw: Draw) -> None:
    queues = QueueStatus(messages={"fetch": 5, "train": 2}, slots_in_flight=0, dead_letters=2)
    order = TrainRun(dataset="demo", recipe=RECIPE)
    foreign = DeadLetter(source="fetcher", reason="damaged photo", payload="{}", at=STARTED)
    broken = DeadLetter(source="trainer", reason="not valid", payload="{}", at=STARTED)
    given = services(RUN, queues=queues, letters=[foreign, broken, letter(order)])
    shown = text_of(drawn(draw, given))
    assert "2 training runs queued" in shown
    assert r"**deep on demo**, 03 Feb 00:00:00: unknown key \*x\*\." in shown
    assert "unreadable request" in shown
    assert "damaged" not in shown


def test_runs_are_shown_and_stopped_while_the_sampler_is_down(draw: Draw) -> None:
    given = services(RUN, down={"sampler"})
    page = drawn(draw, given)
    assert "sampler" in page.error[0].value
    pressed(page, "Stop")
    assert given.tagged


def test_a_run_can_be_started_while_mlflow_is_down(draw: Draw) -> None:
    given = services(RUN, down={"mlflow"})
    page = drawn(draw, given)
    assert "MLflow" in page.error[0].value
    pressed(page, "Start")
    assert len(given.train_requests) == 1


def test_shipped_recipes_exclude_other_toml_files(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "deep.toml").write_text(RECIPE)
    (tmp_path / "sweep.toml").write_text('name = "sweep"\n')
    (tmp_path / "broken.toml").write_text("= =")
    assert shipped_recipes(tmp_path) == {"study/deep": RECIPE}
    assert {"demo", "heads/lite0"} <= set(shipped_recipes())


def test_a_recipe_without_overrides_keeps_its_comments() -> None:
    commented = f"# Why so.\n{RECIPE}"
    assert with_overrides(commented, " \n") == commented
    assert with_overrides(commented, "optimizer.learning_rate=1e-3").endswith(
        "[optimizer]\nlearning_rate = 0.001\n"
    )
    with pytest.raises(InvalidRecipe, match="not TOML"):
        with_overrides("= =", "")
