"""Versions of the registered model, and its champion."""

from mlflow import MlflowClient
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException

from euguess.errors import InvalidInput
from euguess.promotion.versions import (
    CHAMPION,
    DECISIVE_METRIC,
    MODEL_ARTIFACTS,
    REGISTERED_MODEL,
    RegisteredVersion,
)
from euguess.training.report import Report
from services.trainer.tracking.runs import mlflow_errors, unavailable

ABSENT = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Registry:
    """The registered model in MLflow. Raises ServiceUnavailable when MLflow fails."""

    def __init__(self, client: MlflowClient) -> None:
        self._client = client

    def register(self, run_id: str, report: Report) -> RegisteredVersion:
        """Register the model package of a run, or return the version that it has already.

        Of two processes that register a run at the same time, both return the older version.
        """
        found = self.version_of(run_id)
        if found is not None:
            return found
        with mlflow_errors():
            self._ensure_model()
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{MODEL_ARTIFACTS}"
            created = self._client.create_model_version(
                REGISTERED_MODEL, source, run_id, tags=_tags(report)
            )
            first = self._versions_of(run_id)[0]
            if first.version != created.version:
                self._client.delete_model_version(REGISTERED_MODEL, created.version)
        return _candidate(first)

    def champion(self) -> RegisteredVersion | None:
        try:
            found = self._client.get_model_version_by_alias(REGISTERED_MODEL, CHAMPION)
        except MlflowException as error:
            if error.error_code in ABSENT:
                return None
            with mlflow_errors():
                raise
        return _candidate(found)

    def version_of(self, run_id: str) -> RegisteredVersion | None:
        """Return the newest version that a run registered."""
        with mlflow_errors():
            found = self._versions_of(run_id)
        return _candidate(found[-1]) if found else None

    def versions(self) -> list[RegisteredVersion]:
        """Return all versions, newest first."""
        with mlflow_errors():
            found = list(self._client.search_model_versions(f"name = '{REGISTERED_MODEL}'"))
        return [_candidate(one) for one in sorted(found, key=_number, reverse=True)]

    def find_version(self, number: str) -> RegisteredVersion | None:
        """Return a version, or None if there is no such version."""
        return next((one for one in self.versions() if one.version == number), None)

    def version(self, number: str) -> RegisteredVersion:
        """Return a version. Raises InvalidInput when there is no such version."""
        try:
            return _candidate(self._client.get_model_version(REGISTERED_MODEL, number))
        except MlflowException as error:
            if error.error_code in ABSENT:
                raise InvalidInput(
                    f"There is no version {number}. List the versions: euguess models list"
                ) from None
            raise unavailable(error) from None

    def set_champion(self, version: str) -> None:
        """Move the champion alias to a version; for the rules see euguess.promotion.gate."""
        with mlflow_errors():
            self._client.set_registered_model_alias(REGISTERED_MODEL, CHAMPION, version)

    def _versions_of(self, run_id: str) -> list[ModelVersion]:
        """Return the versions of a run, oldest first."""
        found = self._client.search_model_versions(f"run_id = '{run_id}'")
        return sorted(found, key=_number)

    def _ensure_model(self) -> None:
        try:
            self._client.create_registered_model(REGISTERED_MODEL)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _number(version: ModelVersion) -> int:
    return int(version.version)


def _tags(report: Report) -> dict[str, str]:
    return {
        "dataset": report.dataset,
        "manifest_digest": report.manifest_digest,
        "protocol": report.protocol,
        "is_honest": str(report.is_honest),
        "may_leak": str(report.may_leak),
        "faults": ",".join(report.faults),
        "countries": ",".join(country.country_code for country in report.countries),
        DECISIVE_METRIC: str(report.metrics[DECISIVE_METRIC].value),
    }


def _candidate(version: ModelVersion) -> RegisteredVersion:
    return RegisteredVersion.of(str(version.version), str(version.run_id), dict(version.tags))
