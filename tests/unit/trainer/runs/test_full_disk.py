"""Checkpoints and model packages on a full disk."""

import os
import resource
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import Mock

import pytest

from euguess.errors import DiskFull
from euguess.training.recipes.recipe import Recipe
from services.networks import build_network
from services.trainer.runs import tested
from services.trainer.runs.checkpoint import Checkpoint
from services.trainer.runs.experiment import Outcome, log_package
from services.trainer.training.learner import Learner, new_learner
from services.trainer.training.loop import TrainingState
from tests.support.generated_reports import generated_report
from tests.support.requirements import Requirement, skip_without
from tests.support.tiny_training import COUNTRIES, CPU, tiny_recipe

SMALL = tiny_recipe()
LARGE = tiny_recipe("network=customnet")  # its checkpoint has 3 MB


def learner(recipe: Recipe = SMALL) -> Learner:
    return new_learner(recipe, len(COUNTRIES), CPU)


@pytest.fixture
def files_of_at_most_1_mb() -> Iterator[None]:
    """Writes beyond 1 MB fail, as they do on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        skip_without(Requirement.ROOT, "no tmpfs can be mounted")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def check_that_the_previous_checkpoint_is_kept(folder: Path) -> None:
    checkpoint = Checkpoint(folder / "checkpoint.safetensors", "fingerprint")
    checkpoint.save(learner(), TrainingState(), "first")
    with pytest.raises(DiskFull, match="no space is left for the checkpoint") as caught:
        checkpoint.save(learner(LARGE), TrainingState(), "second")
    assert str(folder) in str(caught.value)
    assert "--resume" in str(caught.value)
    assert checkpoint.saved_run() == "first"
    checkpoint.load(learner())
    assert [path.name for path in folder.iterdir()] == ["checkpoint.safetensors"]


def test_a_full_disk_is_named_and_the_previous_checkpoint_is_kept(small_disk: Path) -> None:
    check_that_the_previous_checkpoint_is_kept(small_disk)


@pytest.mark.usefixtures("files_of_at_most_1_mb")
def test_a_limit_on_files_is_reported_like_a_full_disk(tmp_path: Path) -> None:
    check_that_the_previous_checkpoint_is_kept(tmp_path)


def test_a_checkpoint_and_its_name_are_synced_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}"))
    )
    Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint").save(
        learner(), TrainingState(), "run"
    )
    part = tmp_path / "checkpoint.saving" / "checkpoint.safetensors"
    assert synced == [str(part), str(tmp_path)]


def test_what_a_killed_save_left_is_removed_by_the_next_one(tmp_path: Path) -> None:
    (tmp_path / "checkpoint.saving").mkdir()
    (tmp_path / "checkpoint.saving" / ".tmpHalf").write_bytes(b"half")
    checkpoint = Checkpoint(tmp_path / "checkpoint.safetensors", "fingerprint")
    checkpoint.save(learner(), TrainingState(), "run")
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert checkpoint.saved_run() == "run"


@pytest.mark.usefixtures("files_of_at_most_1_mb")
def test_a_model_that_does_not_fit_on_the_disk_is_not_stored() -> None:
    session, report = Mock(), generated_report(("FR", "IT"))
    result = tested.Tested(build_network("customnet", 2), report, Mock(), lambda: None)
    outcome = Outcome("run", report)
    with pytest.raises(DiskFull, match="No space is left to export the model"):
        log_package(LARGE, session, outcome, result, datetime(2026, 1, 2, tzinfo=UTC))
    session.tracking.log_model.assert_not_called()
