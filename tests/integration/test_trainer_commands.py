"""The trainer's command line as users run it."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from euguess.training.runs import STOP_TAG
from services.trainer.tracking.ownership import new_owner
from tests.support.trainer_home import TrainerHome

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning",
)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    home = TrainerHome(tmp_path_factory.mktemp("commands"))
    home.fill()
    return home


def test_training_under_both_splits_promotes_only_the_honest_model(trainer: TrainerHome) -> None:
    recipe = str(trainer.recipe_file)
    found = trainer.trainer_json("compare", "tiny", "--recipe", recipe, "--promote")
    assert found["leaky"]["report"]["protocol"] == "image"
    assert found["leaky"]["version"] is None
    assert found["honest"]["report"]["protocol"] == "location"
    assert found["honest"]["is_promoted"]

    report = trainer.trainer_json("evaluate", "tiny")  # in another process, from the registry
    assert report["run_id"] == found["honest"]["run_id"]
    assert report["metrics"] == found["honest"]["report"]["metrics"]

    refused = trainer.trainer("promote", found["leaky"]["run_id"][:12])
    assert refused.returncode == 2
    assert "registered no model" in refused.stderr

    listed = json.loads(trainer.trainer("runs", "--json").stdout)
    champions = [(run["run_id"], run["version"]) for run in listed if run["is_champion"]]
    assert champions == [(found["honest"]["run_id"], "1")]
    versions = json.loads(trainer.trainer("list", "--json").stdout)
    assert [(one["version"], one["is_champion"]) for one in versions] == [("1", True)]
    table = trainer.trainer("list", EUGUESS_PROGRAM="euguess models").stdout
    assert found["honest"]["run_id"][:8] in table
    called = trainer.trainer("list", "--help", EUGUESS_PROGRAM="euguess models").stdout
    assert "Usage: euguess models list" in called


def test_the_leak_checker_fails_on_a_leaky_split_and_names_the_pairs(trainer: TrainerHome) -> None:
    recipe = ("--recipe", str(trainer.recipe_file))
    assert trainer.trainer("leaks", "tiny", *recipe).returncode == 0
    answer = trainer.trainer("leaks", "tiny", *recipe, "--protocol", "image", "--json")
    assert answer.returncode == 1
    found = json.loads(answer.stdout)
    assert not found["is_honest"]
    assert found["leaks"]["location"] >= len(found["pairs"]) > 0
    assert all(pair["test_location"] == pair["train_location"] for pair in found["pairs"])


def test_protocols_are_compared_and_missing_ones_say_why(trainer: TrainerHome) -> None:
    recipe = ("--recipe", str(trainer.recipe_file), "--set", "epochs=1")
    options = (*recipe, "--protocols", "location,renewal", "--json")
    answer = trainer.trainer("evaluate", "tiny", *options)
    assert answer.returncode == 0, answer.stderr
    location, renewal = json.loads(answer.stdout)
    assert location["is_honest"]
    assert "--renewal" in renewal["missing"]


def test_a_leaky_model_is_promoted_only_by_force(trainer: TrainerHome) -> None:
    recipe = ("--recipe", str(trainer.recipe_file), "--set", "epochs=1")
    leaky = trainer.trainer_json("train", "tiny", *recipe, "--protocol", "image")
    refused = trainer.trainer("promote", leaky["run_id"])
    assert refused.returncode == 1
    assert "leaky image split" in refused.stderr
    assert "--force" in refused.stderr
    unexplained = trainer.trainer("promote", leaky["run_id"], "--force")
    assert unexplained.returncode == 2
    assert "--reason" in unexplained.stderr
    forced = ("--force", "--reason", "to see it served")
    assert trainer.trainer("promote", leaky["run_id"], *forced).returncode == 0

    unexplained = trainer.trainer("rollback")
    assert unexplained.returncode == 2
    back = trainer.trainer_json("rollback", "--reason", "seen enough")
    log = json.loads(trainer.trainer("audit", "--json").stdout)
    assert log[-1] == back
    assert [(entry["act"], entry["reason"]) for entry in log[-3:]] == [
        ("refused", None),
        ("promoted", "to see it served"),
        ("rolled back", "seen enough"),
    ]
    assert log[-2]["is_forced"]
    assert "leaky image split" in log[-2]["verdict"]
    listed = json.loads(trainer.trainer("runs", "--json").stdout)
    assert [run["run_id"] for run in listed if run["is_champion"]] == [back["run_id"]]
    assert "seen enough" in trainer.trainer("audit").stdout


NOWHERE = "http://127.0.0.1:9"  # the discard port: nothing listens
KEYS = {"EUGUESS_S3_ACCESS_KEY": "key", "EUGUESS_S3_SECRET_KEY": "secret"}


@pytest.mark.parametrize(
    ("arguments", "variables", "code", "said"),
    [
        (["train", "none", "--recipe", "RECIPE"], {}, 1, "no dataset 'none'"),
        (["train", "tiny", "--recipe", "nothing.toml"], {}, 2, "read the recipe nothing.toml"),
        (["train", "tiny", "--recipe", "RECIPE", "--set", "lr=1"], {}, 2, "unknown key lr"),
        (["train", "tiny", "--recipe", "RECIPE", "--protocol", "luck"], {}, 2, "split.protocol"),
        (["train", "tiny", "--recipe", "RECIPE", "--device", "cuda:9"], {}, 2, "not available"),
        (["evaluate", "tiny", "--protocols", "all"], {}, 2, "--recipe"),
        (["evaluate", "tiny", "--run", "0" * 32], {}, 2, "no run"),
        (["promote", "0" * 32], {}, 2, "no run"),
        (["cache", "tiny"], {"EUGUESS_MLFLOW_URL": NOWHERE}, 1, "MLflow at http://127.0.0.1:9"),
        (
            ["cache", "tiny"],
            {"EUGUESS_STORE_URL": "s3://none", "EUGUESS_S3_ENDPOINT": NOWHERE, **KEYS},
            1,
            "euguess up",
        ),
        (
            ["train", "tiny", "--recipe", "RECIPE", "--queue"],
            {"EUGUESS_SAMPLER_URL": "http://127.0.0.1:9"},
            1,
            "The sampler at http://127.0.0.1:9 does not answer",
        ),
        (["worker"], {"EUGUESS_REDIS_URL": "redis://127.0.0.1:9/0"}, 1, "Redis does not answer"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else "",
)
def test_failures_are_reported_without_a_traceback(
    trainer: TrainerHome, arguments: list[str], variables: dict[str, str], code: int, said: str
) -> None:
    recipe = str(trainer.recipe_file)
    chosen = [recipe if argument == "RECIPE" else argument for argument in arguments]
    answer = trainer.trainer(*chosen, **variables)
    assert answer.returncode == code, answer.stderr
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert answer.stdout == ""


def test_evaluating_without_a_champion_says_how_to_get_one(tmp_path: Path) -> None:
    answer = TrainerHome(tmp_path).trainer("evaluate", "tiny")
    assert answer.returncode == 2
    assert "--promote" in answer.stderr


def test_without_a_recipe_one_is_picked_with_the_reason(trainer: TrainerHome) -> None:
    tiny = ("network=smallnet", "weights=none", "image_size=32", "layers=[]")
    changes = [word for change in tiny for word in ("--set", f"backbones.0.{change}")]
    answer = trainer.trainer("train", "tiny", *changes)
    assert answer.returncode == 0, answer.stderr
    assert "experiments/heads/lite0.toml: a head on frozen features suits" in answer.stderr
    assert "Registered as version" in answer.stdout


def test_train_help_lists_options_with_an_example(trainer: TrainerHome) -> None:
    answer = trainer.trainer("train", "--help")
    assert answer.returncode == 0
    assert "--resume" in answer.stdout
    assert "experiments/demo.toml" in answer.stdout


def test_a_stopped_run_says_how_to_resume(trainer: TrainerHome) -> None:
    command = ("train", "tiny", "--recipe", str(trainer.recipe_file), "--set", "epochs=400")
    tracking = trainer.session().tracking
    known = {run.run_id for run in tracking.runs()}
    with ThreadPoolExecutor(1) as pool:
        training = pool.submit(trainer.trainer, *command)
        begun: list[str] = []
        while not begun:
            assert not training.done(), training.result().stderr
            time.sleep(0.1)
            begun = [run.run_id for run in tracking.runs() if run.run_id not in known]
        tracking.client.set_tag(begun[0], STOP_TAG, "now")
        answer = training.result()
    assert answer.returncode == 130
    last = answer.stderr.strip().splitlines()[-1]
    assert re.fullmatch(r"euguess: Stopped after epoch \d+ of 400; resume with .* --resume.*", last)
    assert tracking.find(begun[0]).status == "KILLED"


@pytest.mark.parametrize("ignored", [True, False])
def test_a_resumed_run_may_ignore_the_stop_request_that_it_got_before(
    trainer: TrainerHome, tmp_path: Path, ignored: bool
) -> None:
    tracking, owner = trainer.session().tracking, new_owner(tmp_path / "lock")
    with tracking.run("run", {}, {}, owner) as run:
        tracking.client.set_tag(run, STOP_TAG, "now")
    with tracking.run("run", {}, {}, owner, run, ignores_stop_request=ignored) as resumed:
        assert resumed == run
        assert tracking.is_stop_requested(run) is not ignored
