"""Finished runs of the tracking server: names shared by trainer and clients, and what a run is."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

EXPERIMENT = "euguess"
REPORT_FILE = "report.json"  # euguess.report.Report of a run
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


def _pairs(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {row["key"]: row["value"] for row in data.get(name, ())}
