"""The training page: learning curves, tests and settings of the selected runs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pandas as pd
from streamlit.testing.v1 import AppTest

from dashboard.charts.training import accuracies_chart, curves_chart, curves_frame, has_outliers
from dashboard.sources.runs import METRICS, read_curves
from dashboard.views.training.names import name_with_status
from dashboard.views.training.page import settings_frame
from euguess.messages.records import Interval
from euguess.training.runs import TrainingRun
from tests.support.dashboard_services import FakeServices
from tests.support.generated_reports import generated_report
from tests.unit.dashboard.conftest import Draw

CODES = ("ES", "FR", "DE", "PL")
STARTED = datetime(2026, 2, 3, tzinfo=UTC)
LATER = TrainingRun(
    run_id="run-2",
    status="RUNNING",
    started_at=STARTED + timedelta(hours=1),
    dataset="demo",
    protocol="location",
    settings={"name": "deep", "network": "googlenet", "epochs": "8", "seed": "0"},
)
EARLIER = replace(
    LATER,
    run_id="run-1",
    status="FINISHED",
    started_at=STARTED,
    settings={"name": "flat", "network": "smallnet", "epochs": "2", "seed": "0"},
)
CURVE = {name: [0.4, 0.5] for name in METRICS}


def services(**changes: object) -> FakeServices:
    made = FakeServices(
        trainings=[LATER, EARLIER],
        histories={"run-1": CURVE, "run-2": CURVE},
        runs={"run-1": generated_report(CODES)},
    )
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def drawn(draw: Draw, given: FakeServices, *run_ids: str) -> AppTest:
    page = draw("training", given.connections())
    if run_ids:
        page = page.multiselect(key="training-runs").set_value(list(run_ids)).run(timeout=30)
    assert not page.exception
    return page


def opened(page: AppTest, section: str) -> AppTest:
    page = page.segmented_control(key="training-section").set_value(section).run(timeout=30)
    assert not page.exception
    return page


def test_runs_in_progress_are_selected_first(draw: Draw) -> None:
    page = drawn(draw, services())
    assert page.multiselect(key="training-runs").value == ["run-2"]
    assert [header.value for header in page.subheader] == [
        "Accuracy: the study's Figure 6",
        "Log loss: the study's Figure 7",
    ]
    (bar,) = page.get("progress")
    assert bar.proto.value == 25
    assert "epoch 2 of 8" in bar.proto.text


def test_the_newest_runs_are_selected_if_none_is_in_progress(draw: Draw) -> None:
    ended = replace(LATER, status="KILLED")
    page = drawn(draw, services(trainings=[ended, EARLIER]))
    assert page.multiselect(key="training-runs").value == ["run-2", "run-1"]
    assert not page.get("progress")
    assert name_with_status(ended).endswith("◼ stopped")
    assert not any("stopped" in option for option in page.multiselect(key="training-runs").options)


def test_a_run_without_a_finished_epoch_has_an_empty_state(draw: Draw) -> None:
    page = drawn(draw, services(histories={}))
    assert "No finished epochs yet" in page.info[-1].value


def test_only_finished_runs_have_a_test(draw: Draw) -> None:
    page = opened(drawn(draw, services()), "Test")
    assert "No test results" in page.info[-1].value
    page = opened(drawn(draw, services(), "run-2", "run-1"), "Test")
    assert [header.value for header in page.subheader] == ["Test accuracy: the study's Figure 8"]


def test_differing_settings_are_shown_separately(draw: Draw) -> None:
    page = opened(drawn(draw, services(), "run-2", "run-1"), "Settings")
    assert any("3 of 4 settings differ" in text.value for text in page.markdown)
    differing = page.dataframe[0].value
    assert sorted(differing.index) == ["epochs", "name", "network"]
    assert list(differing.loc["network"]) == ["googlenet", "smallnet"]


def test_a_missing_setting_is_empty() -> None:
    more = replace(EARLIER, settings={**EARLIER.settings, "ema": "0.99"})
    frame = settings_frame([LATER, more])
    assert list(frame.loc["ema"]) == ["", "0.99"]


def test_commands_name_the_dataset(draw: Draw) -> None:
    page = drawn(draw, services())
    page.session_state["training-commands"] = True
    page = page.run(timeout=30)
    start, resume = (block.value for block in page.code if "euguess train demo " in block.value)
    assert resume == f"{start} --resume"  # other settings would be another run


def test_without_runs_the_page_shows_how_to_start_one(draw: Draw) -> None:
    page = drawn(draw, FakeServices())
    assert "euguess dataset create" in page.code[0].value
    assert "euguess train demo" in page.code[1].value


def test_names_with_markup_are_shown_as_text(draw: Draw) -> None:
    page = drawn(draw, services(trainings=[replace(LATER, dataset="**x**")]))
    (bar,) = page.get("progress")
    assert r"\*\*x\*\*" in bar.proto.text


def test_an_mlflow_outage_is_shown(draw: Draw) -> None:
    page = drawn(draw, services(down={"mlflow"}))
    assert "MLflow" in page.error[0].value


def test_curves_of_finished_runs_are_cached() -> None:
    made = services()
    registry = made.connections().registry
    first = read_curves(registry, [LATER, EARLIER])
    made.histories = {"run-1": {name: [0.9] for name in METRICS}, "run-2": {}}
    again = read_curves(registry, [LATER, EARLIER])
    assert first["run-1"].equals(again["run-1"])
    assert (len(first["run-2"]), len(again["run-2"])) == (2, 0)


def test_curves_are_drawn_for_train_and_val_with_named_axes() -> None:
    frame = pd.DataFrame({"epoch": [1, 2], **CURVE})
    rows = curves_frame({"a": frame, "b": frame}, "loss")
    assert len(rows) == 8
    assert set(rows["part"]) == {"train", "val"}
    bars = accuracies_chart({"a": Interval(value=0.5, low=0.4, high=0.6)}, chance=0.25).to_json()
    assert "Accuracy over test photos (%)" in bars
    text = curves_chart({"a": frame}, "loss", "Mean log loss (nats)").to_json()
    assert '"title": "Epoch"' in text
    assert "Mean log loss (nats)" in text


def test_one_outlier_of_the_loss_selects_a_log_scale(draw: Draw) -> None:
    made = services()
    page = draw("training", made.connections())
    assert page.toggle(key="training-log").value is False
    losses = {name: [0.4, 0.5, 0.6] for name in METRICS} | {"val_loss": [115.0, 0.9, 0.0]}
    made.histories = {run.run_id: losses for run in made.trainings}
    page = draw("training", made.connections())
    assert not page.exception
    assert page.toggle(key="training-log").value is True
    frame = pd.DataFrame(losses).assign(epoch=[1, 2, 3])
    assert has_outliers({"a": frame}, "loss")
    text = curves_chart({"a": frame}, "loss", "Mean log loss (nats)", is_log=True).to_json()
    assert '"type": "log"' in text
    assert '"value": 0.0' not in text  # has no logarithm


def test_curves_of_a_resumed_run_continue() -> None:
    made = services()
    registry = made.connections().registry
    stopped = replace(LATER, status="KILLED")
    read_curves(registry, [stopped])
    made.histories = {"run-2": {name: [0.4, 0.5, 0.6] for name in METRICS}}
    assert len(read_curves(registry, [LATER])["run-2"]) == 3
