"""The results page: figures of the reports, and commands for what is missing."""

from datetime import UTC, datetime

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.text import percent
from dashboard.views.results.page import SECTIONS
from euguess.training.report import LeftOut, Places, UntestedCountry
from tests.support.dashboard_services import FakeServices, candidate, model_card
from tests.support.generated_reports import generated_report
from tests.unit.dashboard.conftest import Draw

CODES = ("ES", "FR", "DE", "PL")
HONEST = generated_report(CODES, seed=3)
LEAKY = generated_report(CODES, is_leaky=True, seed=2)
GOOGLENET = generated_report(CODES, "study-table2-googlenet", is_leaky=True, seed=1)


def services() -> FakeServices:
    """Create three runs; the champion's is the second newest."""
    return FakeServices(
        card=model_card(*CODES),
        versions=[candidate(1)],
        champion_version="1",
        runs={"run-9": LEAKY, "run-1": HONEST, "run-0": GOOGLENET},
    )


def drawn(draw: Draw, given: FakeServices) -> AppTest:
    page = draw("results", given.connections())
    assert not page.exception
    return page


def opened(page: AppTest, section: str) -> AppTest:
    page = page.segmented_control(key="results-section").set_value(section).run(timeout=30)
    assert not page.exception
    assert not page.error
    return page


def captions(page: AppTest) -> str:
    return " ".join(caption.value for caption in page.caption)


def test_the_champions_run_is_shown_first(draw: Draw) -> None:
    page = drawn(draw, services())
    assert page.selectbox(key="results-run").value == "run-1"
    assert "The champion" in captions(page)
    assert not page.warning


def test_table_2_shows_the_studys_figures_beside_ours(draw: Draw) -> None:
    rows = drawn(draw, services()).dataframe[0].value.set_index("Run")
    assert rows["Study"]["GoogLeNet"] == "25.1%"
    assert rows["Test"]["GoogLeNet"] == "leaky: 90% of photos"
    assert rows["Ours, one view"]["CustomNet"] == ""
    assert rows["Ours, one view"]["This run"]


def test_a_leaky_run_warns_that_its_figures_are_too_high(draw: Draw) -> None:
    page = drawn(draw, services())
    page = page.selectbox(key="results-run").set_value("run-9").run(timeout=30)
    assert "too high" in page.warning[0].value


def test_a_run_of_unknown_places_is_not_called_honest(draw: Draw) -> None:
    unsure = HONEST.model_copy(update={"places": Places.UNKNOWN})
    given = services()
    given.runs = {"run-9": LEAKY, "run-1": unsure}
    page = drawn(draw, given)
    assert "may leak" in page.warning[0].value
    shown = page.selectbox(key="results-run").options
    assert ["may leak" in one for one in shown] == [False, True]
    rows = page.dataframe[0].value.set_index("Run")
    assert rows["Test"]["This run"] == "16 photos, places unknown"
    (pair,) = opened(page, "Honesty").dataframe[0].value["Test by place"]
    assert pair == "16 photos, places unknown, location split"


def test_what_was_not_tested_is_stated(draw: Draw) -> None:
    left_out = (LeftOut(country_code="SE", locations=2, images=5),)
    notes = ("The penalty is at the edge of its grid.",)
    untested = (
        UntestedCountry(country_code="LU", locations=9, reason="its 9 places lie in one block"),
    )
    partial = HONEST.model_copy(
        update={
            "left_out": left_out,
            "untested": untested,
            "without_position": 1,
            "notes": notes,
        }
    )
    given = services()
    given.runs = {"run-1": partial}
    said = [info.value.replace("\\", "") for info in drawn(draw, given).info]
    assert said[0].startswith("2 new places (5 photos) in countries that the model cannot name")
    assert said[0].endswith("SE 2.")
    assert said[1].endswith("averages over countries: LU (its 9 places lie in one block).")
    assert said[2].startswith("1 place without a position")
    assert said[3] == notes[0]


def test_leaky_and_honest_tests_are_shown_side_by_side(draw: Draw) -> None:
    page = opened(drawn(draw, services()), "Honesty")
    rows = page.dataframe[0].value
    assert rows["Recipe"].tolist() == ["demo"]
    gap = LEAKY.metrics["top1_accuracy"].value - HONEST.metrics["top1_accuracy"].value
    assert rows["Inflation (points)"].tolist() == [f"{100 * gap:+.1f}"]


def test_a_recipe_tested_with_one_split_shows_how_to_test_both(draw: Draw) -> None:
    given = services()
    given.runs = {"run-1": HONEST}
    page = opened(drawn(draw, given), "Honesty")
    assert "euguess compare demo" in page.code[0].value


@pytest.mark.parametrize("is_known", [True, False])
def test_countries_have_intervals_if_the_report_counts_places(draw: Draw, is_known: bool) -> None:
    given = services()
    if not is_known:
        old = [row.model_copy(update={"locations": None}) for row in HONEST.per_country]
        given.runs = {"run-1": HONEST.model_copy(update={"per_country": tuple(old)})}
    page = opened(drawn(draw, given), "Countries")
    page = page.segmented_control(key="results-countries").set_value("Table").run(timeout=30)
    intervals = page.dataframe[0].value["Recall, 95% interval"]
    assert all(bool(cell) is is_known for cell in intervals)


def test_confusions_are_drawn_on_the_map(draw: Draw) -> None:
    page = opened(drawn(draw, services()), "Countries")
    page = page.segmented_control(key="results-countries").set_value("Map").run(timeout=30)
    assert not page.exception
    assert "confusions, by number of photos" in captions(page)


@pytest.mark.parametrize("section", ["Views", "Calibration"])
def test_runs_are_compared(draw: Draw, section: str) -> None:
    page = opened(drawn(draw, services()), section)
    page = page.multiselect(key="results-others").set_value(["run-9"]).run(timeout=30)
    assert not page.exception
    assert not page.error


def test_runs_of_a_recipe_within_one_minute_are_distinguished(draw: Draw) -> None:
    given = services()
    trained = [datetime(2026, 2, 3, 10, 0, second, tzinfo=UTC) for second in (1, 40)]
    seeds = [generated_report(CODES, seed=seed) for seed in (4, 5)]
    pairs = zip(("run-1", "run-2"), seeds, trained, strict=True)
    given.runs = {run: one.model_copy(update={"trained_at": at}) for run, one, at in pairs}
    page = opened(drawn(draw, given), "Views")
    page = page.multiselect(key="results-others").set_value(["run-2"]).run(timeout=30)
    shown = [percent(one.metrics["top1_accuracy"]) for one in seeds]
    assert page.dataframe[0].value["One view"].tolist() == shown


def test_a_run_without_calibration_shows_how_to_get_one(draw: Draw) -> None:
    given = services()
    bare = HONEST.model_copy(update={"certainty": (), "calibration": ()})
    given.runs = {"run-1": bare}
    page = opened(drawn(draw, given), "Calibration")
    assert "split.val_fraction" in page.code[0].value


def test_without_runs_the_page_shows_how_to_train_one(draw: Draw) -> None:
    assert "euguess compare" in drawn(draw, FakeServices()).code[0].value


def test_the_error_names_the_service_that_is_down(draw: Draw) -> None:
    given = services()
    given.down = {"mlflow"}
    assert "MLflow" in drawn(draw, given).error[0].value


@pytest.mark.parametrize("section", SECTIONS)
def test_recipe_names_are_shown_literally(draw: Draw, section: str) -> None:
    given = services()
    given.runs = {"run-1": HONEST.model_copy(update={"network": "<b>net</b>"})}
    page = opened(drawn(draw, given), section)
    assert "<b>" not in captions(page)
