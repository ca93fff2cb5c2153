"""The same seed gives the same bits: in another process, in another home, and after SIGKILL."""

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open

from euguess.process.project import project_root, service_command, service_environment
from euguess.training.runs import EXPERIMENT
from tests.support.trainer_home import TrainerHome

RECIPE = """
name = "tiny"
network = "smallnet"
image_size = 32
epochs = 10
batch_size = 4
[augmentation]
shift = 0.1
contrast = 0.2
[schedule]
name = "cosine-warm-restarts"
t_0 = 10
"""
TRAIN = ("train", "tiny", "--recipe")
OF_THE_RUN = ("run_id", "trained_at")  # expected to differ between runs


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainerHome, ...]:
    """Three homes with the same dataset."""
    first, *others = (TrainerHome(tmp_path_factory.mktemp(name)) for name in "abc")
    first.fill()
    (first.folder / "recipe.toml").write_text(RECIPE)
    for other in others:
        shutil.copytree(first.folder, other.folder, dirs_exist_ok=True)
    return first, *others


@pytest.fixture(scope="module")
def unbroken(homes: tuple[TrainerHome, ...]) -> list[dict[str, Any]]:
    """Output of two processes that train at the same time."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(train, homes[:2]))


@pytest.fixture
def in_training(homes: tuple[TrainerHome, ...]) -> Iterator[subprocess.Popen[bytes]]:
    home = homes[2]
    process = subprocess.Popen(
        service_command("trainer", *TRAIN, str(home.folder / "recipe.toml")),
        env=service_environment(EUGUESS_HOME=str(home.folder)),
        cwd=project_root(),
        stderr=subprocess.DEVNULL,
    )
    yield process
    process.kill()
    process.wait()


def train(home: TrainerHome, *options: str) -> dict[str, Any]:
    return home.trainer_json(*TRAIN, str(home.folder / "recipe.toml"), *options)


def artifacts(home: TrainerHome, answer: dict[str, Any]) -> Path:
    return home.folder / "mlflow-artifacts" / EXPERIMENT / str(answer["run_id"]) / "artifacts"


def weights(home: TrainerHome, answer: dict[str, Any]) -> bytes:
    (found,) = artifacts(home, answer).rglob("*.safetensors")
    return found.read_bytes()


def figures(home: TrainerHome, answer: dict[str, Any]) -> dict[str, Any]:
    report: dict[str, Any] = json.loads((artifacts(home, answer) / "report.json").read_text())
    assert report["metrics"]["top1_accuracy"]["value"] > 0
    return {key: value for key, value in report.items() if key not in OF_THE_RUN}


def test_the_same_seed_gives_the_same_report_and_weights_in_another_home(
    homes: tuple[TrainerHome, ...], unbroken: list[dict[str, Any]]
) -> None:
    one, other = zip(homes, unbroken, strict=False)
    assert figures(*one) == figures(*other)
    assert weights(*one) == weights(*other)


def test_a_run_killed_within_an_epoch_resumes_to_the_same_report_and_weights(
    homes: tuple[TrainerHome, ...],
    unbroken: list[dict[str, Any]],
    in_training: subprocess.Popen[bytes],
) -> None:
    home = homes[2]
    while not list(home.folder.glob("checkpoints/*.safetensors")):
        assert in_training.poll() is None
        time.sleep(0.01)
    in_training.send_signal(signal.SIGKILL)
    in_training.wait()
    (checkpoint,) = home.folder.glob("checkpoints/*.safetensors")
    with safe_open(checkpoint, framework="np") as file:
        saved = json.loads(file.metadata()["facts"])
    assert len(saved["history"]) < 10
    resumed = train(home, "--resume")
    assert resumed["run_id"] == saved["run_id"]
    assert figures(home, resumed) == figures(homes[0], unbroken[0])
    assert weights(home, resumed) == weights(homes[0], unbroken[0])
