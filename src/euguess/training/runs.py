"""Runs in the tracking server: names shared by trainer and clients, and records of runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

EXPERIMENT = "euguess"
# Runs of earlier versions that were trained without a stack are in an experiment of their own.
EXPERIMENTS = (EXPERIMENT, "euguess-local")
REPORT_FILE = "report.json"  # euguess.training.report.Report of a run
RECIPE_FILE = "recipe.toml"
PROMOTE_TAG = "euguess.promote"  # promote the model if it beats the champion
FIGURES_TAG = "figures_version"  # of the code that measured the run
PLACES_TAG = "places"  # euguess.training.report.Places; missing in older runs
STOP_TAG = "euguess.stop"  # time of the stop request; the trainer checks after each epoch
ALIVE_TAG = "euguess.alive"  # time of the last heartbeat of the run's process
ALIVE_SECONDS = 30.0  # between heartbeats
LOST_AFTER = timedelta(minutes=3)  # six heartbeats, to allow for clock skew
TESTED_METRIC = "test_top1_accuracy"
FINISHED_AND_TESTED = f"attributes.status = 'FINISHED' and metrics.{TESTED_METRIC} >= 0"
MILLISECONDS = 1000


@dataclass(frozen=True)
class FinishedRun:
    """A finished run with a test report."""

    run_id: str
    recipe: str
    network: str
    dataset: str
    protocol: str
    started_at: datetime
    accuracy: float  # top-1, of single views
    places: str = ""  # how well they are known; empty for older runs

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "FinishedRun":
        """Parse a run from an MLflow search response."""
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
            places=tags.get(PLACES_TAG, ""),
        )


RUNNING, FINISHED, FAILED, KILLED = "RUNNING", "FINISHED", "FAILED", "KILLED"
RECIPE_FACTS = ("name", "network")  # parameters that every training run logs


@dataclass(frozen=True)
class TrainingRun:
    """A training run in any state. settings are those of the recipe, by dotted name."""

    run_id: str
    status: str  # MLflow's: RUNNING, FINISHED, FAILED or KILLED
    started_at: datetime
    dataset: str
    protocol: str
    settings: Mapping[str, str]
    is_stopping: bool = False
    promotes: bool = False
    alive_at: datetime | None = None  # last heartbeat; None if the run sends none

    @classmethod
    def of(cls, run: Mapping[str, Any]) -> "TrainingRun":
        """Parse a run from an MLflow search response."""
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
        """True if the run stopped or failed, so that it can be resumed."""
        return self.status in (FAILED, KILLED)

    def is_lost(self, now: datetime) -> bool:
        """True if MLflow shows the run as running although its heartbeat has stopped."""
        return self.is_running and self.alive_at is not None and now - self.alive_at > LOST_AFTER

    @property
    def is_head(self) -> bool:
        """True for a head on frozen features, which has backbones instead of epochs."""
        return "backbones.0.network" in self.settings

    @property
    def is_training(self) -> bool:
        """True for training runs; sweeps log runs of another kind."""
        return all(name in self.settings for name in RECIPE_FACTS)


def _pairs(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in data.get(name, ())}
