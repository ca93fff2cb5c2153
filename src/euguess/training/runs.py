"""Runs of the tracking server: names shared by trainer and clients, and what a run is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EXPERIMENT = "euguess"
REPORT_FILE = "report.json"  # euguess.training.report.Report of a run
RECIPE_FILE = "recipe.toml"
PROMOTE_TAG = "euguess.promote"  # its model is to be promoted if it is better
STOP_TAG = "euguess.stop"  # when it was asked for; the trainer looks after each epoch
ALIVE_TAG = "euguess.alive"  # when the run's process last gave a sign of life, which it does
ALIVE_SECONDS = 30.0  # as often as this
LOST_AFTER = timedelta(minutes=3)  # six signs, for clocks that differ
TESTED_METRIC = "test_top1_accuracy"
FINISHED_AND_TESTED = f"attributes.status = 'FINISHED' and metrics.{TESTED_METRIC} >= 0"
MILLISECONDS = 1000


@dataclass(frozen=True)
class FinishedRun:
    """A training that was tested."""

    run_id: str
    recipe: str
    network: str
    dataset: str
    protocol: str
    started_at: datetime
    accuracy: float  # top-1, of single views

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "FinishedRun":
        """From MLflow's answer to a search."""
        info, data = run["info"], run["data"]
        params, tags, metrics = (_pairs(data, name) for name in ("params", "tags", "metrics"))
        return cls(
            run_id=info["run_id"],
            recipe=params.get("name", info.get("run_name", "")),
            network=params.get("network", ""),
            dataset=tags.get("dataset", ""),
            protocol=tags.get("protocol", ""),
            started_at=datetime.fromtimestamp(int(info.get("start_time", 0)) / MILLISECONDS, UTC),
            accuracy=float(metrics.get(TESTED_METRIC, 0)),
        )


RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
RECIPE_FACTS = ("name", "network")  # every run of a training has logged these


@dataclass(frozen=True)
class TrainingRun:
    """A training, whatever has become of it. settings are the recipe's, by dotted name."""

    run_id: str
    status: str  # MLflow's: RUNNING, FINISHED, FAILED or KILLED
    started_at: datetime
    dataset: str
    protocol: str
    settings: Mapping[str, str]
    is_stopping: bool = False
    promotes: bool = False
    alive_at: datetime | None = None  # None of runs that give no such sign

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "TrainingRun":
        """From MLflow's answer to a search."""
        info, data = run["info"], run["data"]
        tags = _pairs(data, "tags")
        return cls(
            run_id=info["run_id"],
            status=info.get("status", ""),
            started_at=datetime.fromtimestamp(int(info.get("start_time", 0)) / MILLISECONDS, UTC),
            dataset=tags.get("dataset", ""),
            protocol=tags.get("protocol", ""),
            settings=_pairs(data, "params"),
            is_stopping=STOP_TAG in tags,
            promotes=PROMOTE_TAG in tags,
            alive_at=datetime.fromisoformat(tags[ALIVE_TAG]) if ALIVE_TAG in tags else None,
        )

    @property
    def recipe(self) -> str:
        return self.settings.get("name", "")

    @property
    def is_running(self) -> bool:
        return self.status == RUNNING

    @property
    def is_finished(self) -> bool:
        return self.status == FINISHED

    @property
    def is_resumable(self) -> bool:
        """Whether it stopped or failed, so that it can be resumed."""
        return self.status in (FAILED, KILLED)

    def is_lost(self, now: datetime) -> bool:
        """Whether MLflow calls it running although its process gives no sign of life any more."""
        return self.is_running and self.alive_at is not None and now - self.alive_at > LOST_AFTER

    @property
    def is_training(self) -> bool:
        """Whether it is one: sweeps and heads leave runs of other kinds."""
        return all(name in self.settings for name in RECIPE_FACTS)


def _pairs(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in data.get(name, ())}
