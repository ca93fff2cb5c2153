"""Sweeps as users run them: several processes, one of them killed, a report at the end."""

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest
from optuna import Study
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console
from sqlalchemy.exc import OperationalError

from euguess.errors import InvalidInput
from euguess.process.project import project_root, service_command, service_environment
from euguess.training.recipes.recipe import read_recipe
from services.trainer.sweeps.run import SweepRequest, run_sweep
from services.trainer.sweeps.study import STARTED
from tests.support.trainer_home import TrainerHome

BASE = 'name = "tiny"\nnetwork = "smallnet"\nimage_size = 32\nepochs = 2\nbatch_size = 16\n'
SPACE = """
startup_trials = 2
[space.optimizer.learning_rate]
low = 1e-4
high = 1e-1
log = true
[space.label_smoothing]
low = 0.0
high = 0.2
"""
SILENCE_SECONDS = 2
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> TrainerHome:
    home = TrainerHome(tmp_path_factory.mktemp("sweeps"))
    home.fill()
    (home.folder / "base.toml").write_text(BASE)
    return home


def sweep_file(home: TrainerHome, name: str, trials: int, **options: object) -> Path:
    facts = {"name": name, "recipe": "base.toml", "trials": trials, **options}
    lines = [f"{key} = {json.dumps(value)}" for key, value in facts.items()]
    path = home.folder / f"{name}.toml"
    path.write_text("\n".join(lines) + SPACE)
    return path


def test_two_workers_share_a_sweep_and_a_later_one_extends_it(trainer: TrainerHome) -> None:
    file = sweep_file(trainer, "shared", 5)
    found = trainer.trainer_json("sweep", "tiny", "--space", str(file), "--workers", "2")
    first = found["trials"]
    # If two workers start the last trial at once, one gives up, and its number is missing.
    assert len({trial["number"] for trial in first}) == 5
    assert len({json.dumps(trial["values"]) for trial in first}) == 5
    folder = Path(found["folder"])
    assert read_recipe(folder / "best.toml").epochs == 2
    assert {"report.html", "report.md", "history.png"} <= {path.name for path in folder.iterdir()}

    request = SweepRequest("tiny", file, trials=7, device="cpu")
    ended = run_sweep(request, trainer.folder, trainer.store, QUIET)
    again = ended.result.model_dump(mode="json")["trials"]
    assert again[:5] == first
    assert len(again) == 7
    assert min(trial["number"] for trial in again[5:]) > max(t["number"] for t in first)


@pytest.fixture
def killed(trainer: TrainerHome) -> Iterator[subprocess.Popen[bytes]]:
    file = sweep_file(trainer, "killed", 2, epochs=20)
    options = ("--space", str(file), "--silence", str(SILENCE_SECONDS), "--device", "cpu")
    process = subprocess.Popen(
        service_command("trainer", "sweep", "tiny", *options),
        env=service_environment(EUGUESS_HOME=str(trainer.folder)),
        cwd=project_root(),
        stdout=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def test_a_trial_whose_worker_was_killed_is_run_again(
    trainer: TrainerHome, killed: subprocess.Popen[bytes]
) -> None:
    cut = _first_running(trainer, killed)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    request = SweepRequest(
        "tiny", trainer.folder / "killed.toml", silence_seconds=SILENCE_SECONDS, device="cpu"
    )
    ended = run_sweep(request, trainer.folder, trainer.store, QUIET)
    assert len(ended.result.trials) == 2
    trials = _study(trainer, "killed").get_trials()
    assert trials[cut.number].state == TrialState.FAIL
    (again,) = [t for t in trials if t.system_attrs.get("failed_trial") == cut.number]
    assert again.params == cut.params
    assert again.state in (TrialState.COMPLETE, TrialState.PRUNED)


def _first_running(trainer: TrainerHome, worker: subprocess.Popen[bytes]) -> FrozenTrial:
    """Return the first trial that has started and finished an epoch.

    The worker is paused for each check, so that it cannot finish the trial in between.
    """
    while worker.poll() is None:
        worker.send_signal(signal.SIGSTOP)
        for trial in _running(trainer):
            if STARTED in trial.user_attrs and trial.intermediate_values:
                return trial
        worker.send_signal(signal.SIGCONT)
        time.sleep(0.02)
    raise AssertionError("the worker ended before it could be killed")


def _running(trainer: TrainerHome) -> list[FrozenTrial]:
    if not list(trainer.folder.glob("sweeps/killed-*/study.db")):
        return []
    try:
        return _study(trainer, "killed").get_trials(states=(TrialState.RUNNING,))
    except (KeyError, OperationalError, StorageInternalError):  # being created or written to
        return []


def _study(trainer: TrainerHome, name: str) -> Study:
    (folder,) = trainer.folder.glob(f"sweeps/{name}-*")
    url = f"sqlite:///{folder / 'study.db'}"
    storage = RDBStorage(
        url,
        engine_kwargs={"connect_args": {"timeout": 0.2}},
        skip_table_creation=True,
        skip_compatibility_check=True,
    )
    return optuna.load_study(study_name=folder.name, storage=storage)


def test_a_split_without_a_val_part_is_refused_before_any_trial(trainer: TrainerHome) -> None:
    (trainer.folder / "base-without-val.toml").write_text(BASE + "[split]\nval_fraction = 0\n")
    file = sweep_file(trainer, "blind", 1, recipe="base-without-val.toml")
    with pytest.raises(InvalidInput, match=r"no validation set.*split\.val_fraction"):
        run_sweep(SweepRequest("tiny", file, device="cpu"), trainer.folder, trainer.store, QUIET)
    assert not list(trainer.folder.glob("sweeps/blind-*"))


def test_help_shows_what_a_space_looks_like(trainer: TrainerHome) -> None:
    answer = trainer.trainer("sweep", "--help")
    assert answer.returncode == 0
    assert "[space.optimizer.learning_rate]" in answer.stdout
    assert "best.toml" in answer.stdout
