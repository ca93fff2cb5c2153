"""The report on the study's experiments: recipes read, runs compared, figures shown."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from euguess.errors import InvalidInput
from euguess.messages.records import Interval
from euguess.process.project import project_root
from euguess.training.report import LeftOut, Places
from euguess.training.study_facts import (
    BEST,
    FIGURE_RUNS,
    LOADING,
    ONE_VIEW,
    REMOVED,
    TABLES,
    TUNING,
)
from services.trainer.evaluation.evaluation import evaluate
from services.trainer.models.paired import PhotoResults, photo_results
from services.trainer.paper import tables
from services.trainer.paper.contents import Contents
from services.trainer.paper.loading import LoadingTimes
from services.trainer.paper.report import MARKDOWN, PAGE, write_report
from services.trainer.paper.run import (
    Experiment,
    Paper,
    PaperRequest,
    RecipeResult,
    Result,
    TrainingHistory,
    read_experiments,
)
from services.trainer.paper.tables import PAIRED, UNPAIRED, difference, duration
from services.trainer.reports.markdown import markdown_table
from services.trainer.training.learner import new_learner
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe, tiny_split_data

FOLDER = project_root() / "experiments"
NOW = datetime(2026, 5, 4, 3, 2, tzinfo=UTC)
HISTORY = TrainingHistory((0.2, 0.5), (1.4, 1.1), 75.0, "cpu", "0123456789abcdef-dirty")
TIMES = LoadingTimes(500, 64, jpegs=(2.0, 2.2, 1.8), cache=(0.02, 0.01, 0.02))
STEMS = (
    *dict.fromkeys(run.recipe for table in TABLES for run in table.runs),
    *(stem for stem in FIGURE_RUNS if not stem.startswith("study/table")),
    *(one.recipe for one in TUNING),
    *REMOVED,
    ONE_VIEW,
)


def finding(*overrides: str) -> RecipeResult:
    recipe = tiny_recipe(*overrides)
    split_data = tiny_split_data(recipe)
    network = new_learner(recipe, len(COUNTRIES), CPU).network
    report = evaluate(network, split_data, recipe).model_copy(update={"run_id": "0" * 32})
    return RecipeResult(report, HISTORY, photo_results(network, split_data))


def with_first_views(found: RecipeResult, views: int = 3) -> RecipeResult:
    """The same finding, as if only the first view of each place had been tested."""
    assert found.answers is not None
    kept = {name: values[::views] for name, values in found.answers.model_dump().items()}
    return replace(found, answers=PhotoResults(**kept))


@pytest.fixture(scope="module")
def faulty() -> RecipeResult:
    return finding("split.protocol=image", "faults.mean_of_batches=true", "batch_size=4")


@pytest.fixture(scope="module")
def paper(faulty: RecipeResult) -> Paper:
    """One faulty finding for every recipe but two: an honest one, and one that failed."""
    left_out = (LeftOut(country_code="SE", locations=2, images=5),)
    renewed = faulty.report.model_copy(update={"left_out": left_out})
    honest, later = finding(), replace(faulty, renewal=renewed)
    others = {"fixed/all": honest, ONE_VIEW: with_first_views(honest)}
    results = []
    for stem in STEMS:
        experiment = Experiment(stem, tiny_recipe())
        if stem == "study/table4-googlenet":
            results.append(Result(experiment, missing="the weights | cannot be had"))
        else:
            results.append(Result(experiment, others.get(stem, later)))
    request = PaperRequest("tiny", (), renewal="later", overrides=("epochs=1",))
    places, photos = {"FR": 860, "AL": 369, "LU": 100}, {"FR": 2580, "AL": 1107, "LU": 300}
    contents = Contents(("simulator",), places, photos)
    return Paper(request, contents, tuple(results), TIMES)


@pytest.fixture(scope="module")
def written(paper: Paper, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the paper's report."""
    folder = tmp_path_factory.mktemp("report")
    write_report(paper, folder, NOW)
    return folder


def test_every_figure_of_the_study_has_a_recipe() -> None:
    assert {experiment.stem for experiment in read_experiments(FOLDER, [])} == set(STEMS)


def test_loading_times_can_be_measured_without_a_recipe() -> None:
    assert read_experiments(FOLDER, [], [LOADING]) == ()


def test_patterns_select_recipes_and_overrides_change_them() -> None:
    found = read_experiments(FOLDER, ["epochs=1"], ["study/table2-*", "fixed/all"])
    assert [e.stem for e in found] == [
        "study/table2-customnet",
        "study/table2-googlenet-before-tuning",
        BEST,
        "fixed/all",
    ]
    assert {experiment.recipe.epochs for experiment in found} == {1}


def test_a_pattern_that_matches_no_recipe_is_refused() -> None:
    with pytest.raises(InvalidInput, match="matches table9"):
        read_experiments(FOLDER, [], ["table9"])


def test_the_renewal_dataset_must_differ() -> None:
    with pytest.raises(InvalidInput, match="must differ"):
        PaperRequest("tiny", (), renewal="tiny")


def test_differences_are_paired_only_on_the_same_photos(faulty: RecipeResult) -> None:
    interval, is_paired = difference(faulty, faulty)
    assert is_paired
    assert interval == Interval(value=0, low=0, high=0)
    _, is_paired = difference(finding(), faulty)
    assert not is_paired
    _, is_paired = difference(replace(faulty, answers=None), faulty)
    assert not is_paired


def test_the_report_shows_the_studys_figures_beside_ours(
    written: Path, faulty: RecipeResult
) -> None:
    text = (written / MARKDOWN).read_text()
    row = next(line for line in text.splitlines() if line.startswith("| GoogLeNet | 25.1 %"))
    right = faulty.report.metrics["top1_accuracy"]
    assert faulty.report.mean_of_batches is not None
    for said in (
        f"{100 * faulty.report.mean_of_batches:.1f} %",
        f"{100 * right.value:.1f} % [{100 * right.low:.0f}, {100 * right.high:.0f}]",
        "**leaky**",
        "16.0 %",
    ):
        assert said in row
    for heading in (
        "Table 1",
        "Table 2",
        "Table 3",
        "Table 4",
        "Effect of each fault",
        "Figures 6 to 8",
        "Provenance",
    ):
        assert f"## {heading}" in text
    assert "`epochs=1`" in text
    assert "drawn by the simulator" in text
    assert "- study/table4-googlenet: the weights | cannot be had" in text


def test_the_report_says_how_each_fault_was_compared(written: Path) -> None:
    lines = (written / MARKDOWN).read_text().splitlines()
    by_fault = {line.split(" | ")[0].removeprefix("| "): line for line in lines}
    assert PAIRED in by_fault["no validation"]
    assert "+0.0 [+0.0, +0.0]" in by_fault["no validation"]
    assert UNPAIRED in by_fault["all of them"]
    assert "new places" in by_fault["all of them"]


def test_the_report_says_what_the_renewal_did_not_test(written: Path) -> None:
    lines = (written / MARKDOWN).read_text().splitlines()
    (said,) = (line for line in lines if "cannot name are not tested: SE 2" in line)
    assert said.startswith(r"- 2 new places \(5 photos\) in countries")
    assert "fixed/validation on renewal" in said
    assert "fixed/all" not in said


def rows(written: Path) -> dict[str, list[str]]:
    """The cells of all tables by their first cell."""
    lines = (written / MARKDOWN).read_text().splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines if "|" in line]
    return {first: rest for first, *rest in cells}


def test_table_1_shows_the_places_of_each_size_class(written: Path) -> None:
    table = rows(written)
    assert table["large"] == ["860", "FR DE GB IT PL RO ES TR", "6,880", "860", "2,580"]
    assert table["small"][:1] + table["small"][2:] == ["123", "738", "100", "300"]
    assert table["all"] == ["", "32", "14,260", "1,329", "3,987"]
    assert "Ireland" in (written / MARKDOWN).read_text()


def test_tuning_is_compared_with_the_run_before_it_on_the_same_photos(written: Path) -> None:
    table = rows(written)
    assert table["nothing else (GoogleNet3)"][0] == "20.9 %"
    for change in ("128 px instead of 64", "Adam instead of SGD", "constant learning rate"):
        assert table[change][2:4] == ["+0.0 [+0.0, +0.0]", PAIRED]
        assert table[change][4].endswith(" MB")


def test_three_perspectives_are_compared_with_one_on_the_same_places(written: Path) -> None:
    table = rows(written)
    (fused,) = [cells for first, cells in table.items() if first.startswith("test on 3 views")]
    (trained,) = [cells for first, cells in table.items() if first.startswith("train on three")]
    assert fused[-1] == "same 4 places, paired"
    assert trained[-1] == "same 4 photos of new places, paired"
    assert "[" in fused[1]
    told = table["GoogLeNet: three headings of all places against one of all"]
    assert (told[0], told[-1]) == ("+6.1", f"{PAIRED}, leaky")
    assert (
        table["ResNet-50: three headings of a third of the places against one of all"][0] == "-1.2"
    )


def test_loading_times_are_medians_beside_the_studys(written: Path) -> None:
    text = (written / MARKDOWN).read_text()
    assert "**100 times** as fast as the JPEGs (between 90 and 220 times in 3" in text
    assert "| load all JPEGs | ours | 250 | 2 min 51 s |" in text
    assert "| load all JPEGs | study, write-ups | 4.8 | 2 h 00 min to 3 h 00 min |" in text


def test_the_page_embeds_its_plots_and_the_markdown_links_to_them(written: Path) -> None:
    page, text = (written / PAGE).read_text(), (written / MARKDOWN).read_text()
    plots = sorted(written.glob("*.png"))
    assert [path.name for path in plots] == [
        "averages.png",
        "faults.png",
        *(f"figure-{number}.png" for number in (6, 7, 8)),
    ]
    for caption in ("Figure 6: training accuracy", "Figure 7: training log loss", "Figure 8: test"):
        assert f"*{caption}" in text
    for path in plots:
        assert f"]({path.name})" in text
        with Image.open(path) as image:
            assert image.convert("L").getextrema() != (255, 255)
    assert page.count("data:image/png;base64,") == len(plots)
    assert ".png" not in page
    assert "<td" in page
    assert "color-scheme: light dark" in page


def test_a_report_without_results_still_shows_the_studys_figures(tmp_path: Path) -> None:
    experiment = Experiment(BEST, tiny_recipe())
    request = PaperRequest("tiny", (experiment,))
    nothing = Paper(request, Contents((), {}, {}), (Result(experiment, missing="no"),))
    text = write_report(nothing, tmp_path, NOW)[0].read_text()
    assert "| GoogLeNet | 25.1 % | - |" in text
    assert not list(tmp_path.glob("*.png"))
    for heading in ("perspectives", "Image size", "Loading times"):
        assert heading not in text


@pytest.mark.parametrize(
    ("seconds", "shown"), [(8.44, "8.4 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_durations_are_shown_in_suitable_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_photos_of_unknown_places_are_not_said_to_show_new_ones() -> None:
    report = finding().report.model_copy(update={"places": Places.UNKNOWN})
    assert tables.test_part(report).startswith("places unknown: may leak")


def test_bars_in_table_cells_are_escaped() -> None:
    assert markdown_table(["a"], [["x|y"]]).endswith("| x\\|y |")
