"""The study's experiments at a small scale: trained once, reported each time."""

from pathlib import Path

import pytest
from mlflow import MlflowClient

from euguess.clock import utc_now
from euguess.errors import DatasetNotFound
from euguess.process.project import project_root
from euguess.training.study_facts import BEST, LOADING
from services.trainer.paper.report import write_report
from services.trainer.paper.run import Paper, PaperRequest, read_experiments, run_paper
from tests.support.trainer_home import TrainerHome

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)
SMALL = ("network=smallnet", "weights=none", "image_size=32", "epochs=1", "batch_size=16")
CHOSEN = (BEST, "fixed/train-mode", "fixed/location-split")


def request(*only: str, overrides: tuple[str, ...] = SMALL) -> PaperRequest:
    experiments = read_experiments(project_root() / "experiments", overrides, only)
    return PaperRequest("tiny", experiments, renewal="later", overrides=overrides)


def runs(trainer: TrainerHome) -> int:
    return len(MlflowClient(trainer.mlflow.url).search_runs(["1"]))


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    home = TrainerHome(tmp_path_factory.mktemp("paper"))
    home.fill()
    home.fill("later", {"FR": 9, "IT": 9, "PL": 9})  # tiny has 6 places of each
    return home


@pytest.fixture(scope="module")
def paper(trainer: TrainerHome) -> Paper:
    return run_paper(request(*CHOSEN), trainer.session())


def test_each_experiment_has_its_history_answers_and_renewal(paper: Paper) -> None:
    assert [result.experiment.stem for result in paper.results] == [
        BEST,
        "fixed/location-split",
        "fixed/train-mode",
    ]
    for result in paper.results:
        found = result.finding
        assert found is not None, result.missing
        assert len(found.history.train_accuracy) == len(found.history.train_loss) == 1
        assert found.history.seconds > 0
        assert found.answers is not None
        hits = sum(found.answers.is_right) / len(found.answers.is_right)
        assert hits == pytest.approx(found.report.metrics["top1_accuracy"].value)
        assert found.renewal is not None
        assert (found.renewal.dataset, found.renewal.protocol) == ("later", "renewal")
        assert not found.renewal.leaks
    assert paper.contents.providers == ("simulator",)
    assert paper.contents.places == {"FR": 6, "IT": 6, "PL": 6}


def test_a_repeated_request_trains_nothing_and_has_the_same_figures(
    trainer: TrainerHome, paper: Paper, tmp_path: Path
) -> None:
    before = runs(trainer)
    again = run_paper(request(*CHOSEN), trainer.session())
    assert runs(trainer) == before == len(CHOSEN)
    for first, second in zip(paper.results, again.results, strict=True):
        assert first.finding is not None
        assert second.finding is not None
        assert second.finding.is_reused
        assert second.finding.report == first.finding.report
        assert second.finding.renewal == first.finding.renewal
        assert second.finding.history == first.finding.history
    page = write_report(again, tmp_path, utc_now())[1]
    assert "data:image/png" in page.read_text()


def test_a_failed_experiment_does_not_stop_the_others(trainer: TrainerHome) -> None:
    wanted = request(
        "study/table2-*", overrides=("epochs=1", "image_size=32", "weights=/nowhere.pth")
    )
    found = run_paper(wanted, trainer.session())
    assert len(found.results) == 3
    assert all("Could not load the weights" in str(result.missing) for result in found.results)


def test_a_missing_dataset_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFound):
        run_paper(request(BEST), TrainerHome(tmp_path).session())


def test_the_command_writes_to_the_given_folder_and_prints_json(
    trainer: TrainerHome, paper: Paper, tmp_path: Path
) -> None:
    options = [f"--set={change}" for change in SMALL]
    options += [f"--only={stem}" for stem in (*CHOSEN, LOADING)]
    out = tmp_path / "out"
    answer = trainer.trainer_json("paper", "tiny", *options, "--renewal=later", f"--out={out}")
    assert Path(answer["page"]).is_file()
    assert Path(answer["report"]).parent == out
    assert {result["recipe"] for result in answer["results"]} == set(CHOSEN)
    assert answer["loading"]["photos"] == 54
    assert answer["loading"]["ratio"] > 0
    assert "Loading times" in Path(answer["report"]).read_text()
    for result in answer["results"]:
        assert result["is_reused"]
        assert not result["is_honest"]
        assert result["mean_of_batches"] is not None
        assert result["renewal"]["top1_accuracy"]["low"] >= 0
