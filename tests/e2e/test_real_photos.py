"""Labelled photos without a stack: import, train, evaluate, predict."""

import csv
import json
from pathlib import Path

import pytest

from euguess.messages.collection import DatasetStatus
from euguess.messages.serving import Prediction
from tests.e2e.running import PROJECT_ROOT, run_euguess
from tests.support.requirements import Requirement, skip_without

pytestmark = [pytest.mark.photos, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose folder store holds the shared photos as the dataset `real`."""
    manifest = PROJECT_ROOT.parent / "shared" / "data" / "streetview" / "manifest.csv"
    if not manifest.is_file():
        skip_without(Requirement.PHOTOS, f"{manifest.parent} does not exist")
    home = tmp_path_factory.mktemp("real") / "home"
    answer = run_euguess(home, ["dataset", "import", "real", str(manifest)])
    assert answer.returncode == 0, answer.stderr
    return home


def manifest_rows() -> list[dict[str, str]]:
    path = PROJECT_ROOT.parent / "shared" / "data" / "streetview" / "manifest.csv"
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_import_keeps_every_row_of_the_manifest(imported: Path) -> None:
    answer = run_euguess(imported, ["dataset", "status", "real", "--json"])
    status = DatasetStatus.model_validate_json(answer.stdout)
    rows = manifest_rows()
    assert len(rows) == 1280
    assert status.total.stored == len({row["location_id"] for row in rows})
    assert len(status.countries) == 26
    images = imported / "store" / "datasets" / "real" / "images"
    assert sum(1 for path in images.rglob("*") if path.is_file()) == len(rows)


def test_training_on_real_photos_gives_an_honest_report(imported: Path) -> None:
    recipe = str(PROJECT_ROOT / "experiments" / "real.toml")
    options = ["--recipe", recipe, "--set", "epochs=2", "--promote"]
    trained = run_euguess(imported, ["train", "real", *options])
    assert trained.returncode == 0, trained.stderr
    evaluated = run_euguess(imported, ["evaluate", "real", "--json"])
    report = json.loads(evaluated.stdout)
    assert report["protocol"] == "location"
    top1 = report["metrics"]["top1_accuracy"]
    assert top1["low"] <= top1["value"] <= top1["high"]


def test_predict_names_a_country_with_probabilities(imported: Path) -> None:
    photo = PROJECT_ROOT.parent / "shared" / "data" / "streetview" / manifest_rows()[0]["file"]
    answer = run_euguess(imported, ["predict", str(photo), "--json"])
    assert answer.returncode == 0, answer.stderr
    prediction = Prediction.model_validate_json(answer.stdout)
    assert len(prediction.top) == 5
    assert prediction.model.dataset == "real"
