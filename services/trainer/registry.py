"""Versions of the model and who is champion."""

from dataclasses import dataclass

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from euguess.registry import CHAMPION, MODEL_ARTIFACTS, REGISTERED_MODEL
from services.trainer.report import Report
from services.trainer.tracking import mlflow_errors

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
DECISIVE_METRIC = "top1_accuracy"


@dataclass(frozen=True)
class Candidate:
    """A registered version and what decides on its promotion."""

    version: str
    run_id: str
    dataset: str
    manifest_digest: str
    protocol: str
    accuracy: float
    is_honest: bool


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate became champion, and why."""

    is_promoted: bool
    reason: str


def judge(candidate: Candidate, champion: Candidate | None) -> Verdict:
    """Whether a candidate may replace the champion; pure."""
    if not candidate.is_honest:
        return Verdict(
            False,
            f"version {candidate.version} was tested under the leaky {candidate.protocol} split, "
            "which says nothing about new places",
        )
    if champion is None:
        return Verdict(True, f"version {candidate.version} is the first champion")
    if champion.version == candidate.version:
        return Verdict(True, f"version {candidate.version} is the champion already")
    if not champion.is_honest:
        return Verdict(True, f"the champion, version {champion.version}, has no honest figure")
    if (champion.dataset, champion.protocol) != (candidate.dataset, candidate.protocol):
        return Verdict(
            False,
            f"the champion was tested on {champion.dataset} by {champion.protocol}, version "
            f"{candidate.version} on {candidate.dataset} by {candidate.protocol}: their figures "
            "cannot be compared",
        )
    figures = f"{candidate.accuracy:.1%} against the champion's {champion.accuracy:.1%}"
    return Verdict(candidate.accuracy > champion.accuracy, f"top-1 accuracy {figures}")


class Registry:
    """The registered model in MLflow. Raises ServiceUnavailable when MLflow fails."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def register(self, run_id: str, report: Report) -> Candidate:
        """A new version with the model package of a run."""
        tags = _tags(report)
        with mlflow_errors():
            self._ensure_model()
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL_ARTIFACTS}"
            created = self._client.create_model_version(REGISTERED_MODEL, source, run_id, tags=tags)
        return _candidate(created)

    def champion(self) -> Candidate | None:
        try:
            found = self._client.get_model_version_by_alias(REGISTERED_MODEL, CHAMPION)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            with mlflow_errors():
                raise
        return _candidate(found)

    def version_of(self, run_id: str) -> Candidate | None:
        """The newest version that a run made."""
        with mlflow_errors():
            found = self._client.search_model_versions(f"run_id = '{run_id}'")
        newest = max(found, key=lambda version: int(version.version), default=None)
        return None if newest is None else _candidate(newest)

    def promote(self, candidate: Candidate, *, force: bool = False) -> Verdict:
        """Make a candidate champion if it may be, or at all costs."""
        verdict = judge(candidate, self.champion())
        if force and not verdict.is_promoted:
            verdict = Verdict(True, f"by force, although {verdict.reason}")
        if verdict.is_promoted:
            with mlflow_errors():
                self._client.set_registered_model_alias(
                    REGISTERED_MODEL, CHAMPION, candidate.version
                )
        return verdict

    def _ensure_model(self) -> None:
        try:
            self._client.create_registered_model(REGISTERED_MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _tags(report: Report) -> dict[str, str]:
    return {
        "dataset": report.dataset,
        "manifest_digest": report.manifest_digest,
        "protocol": report.protocol,
        "is_honest": str(report.is_honest),
        DECISIVE_METRIC: str(report.metrics[DECISIVE_METRIC].value),
    }


def _candidate(version: ModelVersion) -> Candidate:
    tags = dict(version.tags)
    return Candidate(
        version=str(version.version),
        run_id=str(version.run_id),
        dataset=tags.get("dataset", ""),
        manifest_digest=tags.get("manifest_digest", ""),
        protocol=tags.get("protocol", ""),
        accuracy=float(tags.get(DECISIVE_METRIC, "0")),
        is_honest=tags.get("is_honest") == "True",
    )
