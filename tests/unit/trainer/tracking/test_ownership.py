"""Ownership of runs, and registration that two processes attempt at the same time."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from mlflow.entities import Run, RunData, RunInfo, RunTag
from mlflow.entities.model_registry import ModelVersion

from euguess.training.runs import ALIVE_TAG, LOST_AFTER
from services.trainer.errors import RunBusy, RunTaken
from services.trainer.tracking.ownership import OWNER_TAG, new_owner, require_free, require_owner
from services.trainer.tracking.versions import Registry
from tests.support.generated_reports import generated_report

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def run(tag: str | None, age: timedelta | None, status: str = "RUNNING") -> Run:
    tags = {} if tag is None else {OWNER_TAG: tag}
    if age is not None:
        tags[ALIVE_TAG] = (NOW - age).isoformat()
    info = RunInfo("run-1", "0", "user", status, 0, None, "active")
    return Run(info, RunData(tags=[RunTag(key, value) for key, value in tags.items()]))


def test_a_run_with_a_recent_heartbeat_elsewhere_is_busy(tmp_path: Path) -> None:
    other, mine = new_owner(tmp_path / "a" / "lock"), new_owner(tmp_path / "b" / "lock")
    with pytest.raises(RunBusy, match="last heartbeat was 20 s ago"):
        require_free(run(other.tag, timedelta(seconds=20)), mine, NOW)


def test_a_run_is_free_after_its_owner_has_ended_or_fallen_silent(tmp_path: Path) -> None:
    other, mine = new_owner(tmp_path / "a" / "lock"), new_owner(tmp_path / "b" / "lock")
    recent = timedelta(seconds=1)
    require_free(run(None, recent), mine, NOW)
    require_free(run(other.tag, None), mine, NOW)
    require_free(run(other.tag, LOST_AFTER + recent), mine, NOW)
    require_free(run(other.tag, recent, "KILLED"), mine, NOW)


def test_the_holder_of_a_lock_replaces_its_former_holder_at_once(tmp_path: Path) -> None:
    former, mine = new_owner(tmp_path / "lock"), new_owner(tmp_path / "lock")
    require_free(run(former.tag, timedelta(seconds=1)), mine, NOW)
    with pytest.raises(RunTaken, match="took over run run-1"):
        require_owner(run(mine.tag, None), former)
    require_owner(run(mine.tag, None), mine)


def version(number: str) -> ModelVersion:
    return ModelVersion("euguess", number, 0, run_id="run-1")


def test_of_two_simultaneous_registrations_the_older_version_stays() -> None:
    client = Mock()
    client.search_model_versions.side_effect = [[], [version("8"), version("7")]]
    client.create_model_version.return_value = version("8")
    assert Registry(client).register("run-1", generated_report(("FR", "IT"))).version == "7"
    client.delete_model_version.assert_called_once_with("euguess", "8")
