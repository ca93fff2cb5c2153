"""Client of an MLflow server: model versions, runs and their files."""

import json
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import ValidationError

from euguess.clients.http import Client
from euguess.clock import utc_now
from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.messages.serving import ModelCard
from euguess.messages.training import SeenViews
from euguess.promotion.versions import (
    CHAMPION,
    MODEL_ARTIFACTS,
    REGISTERED_MODEL,
    SEEN_FILE,
    RegisteredVersion,
)
from euguess.training.report import Report
from euguess.training.runs import (
    EXPERIMENT,
    EXPERIMENTS,
    FINISHED_AND_TESTED,
    RECIPE_FILE,
    REPORT_FILE,
    STOP_TAG,
    FinishedRun,
    TrainingRun,
)

MOST_VERSIONS = 200
MOST_RUNS = 200
MOST_EXPERIMENTS = 1000
_API = "/api/2.0/mlflow"


class RegistryClient(Client):
    """Client of MLflow. Raises ServiceUnavailable if MLflow does not answer."""

    def versions(self) -> list[RegisteredVersion]:
        """Return the newest versions, newest first."""
        query = {"filter": f"name = '{REGISTERED_MODEL}'", "max_results": str(MOST_VERSIONS)}
        answer = self._get(f"{_API}/model-versions/search", query)
        self._raise(answer)
        found = [_registered(version) for version in answer.json().get("model_versions", ())]
        return sorted(found, key=lambda candidate: -int(candidate.version))

    def version(self, number: str) -> RegisteredVersion:
        """Return a version. Raises InvalidInput if it does not exist."""
        query = {"name": REGISTERED_MODEL, "version": number}
        answer = self._get(f"{_API}/model-versions/get", query)
        if answer.status_code in (400, 404):
            raise InvalidInput(
                f"There is no version {number}. List the versions: euguess models list"
            )
        self._raise(answer)
        return _registered(answer.json()["model_version"])

    def champion_version(self) -> RegisteredVersion | None:
        """Return the champion's version, or None before the first promotion."""
        found = self._champion_version()
        return None if found is None else _registered(found)

    def set_champion(self, version: str) -> None:
        """Move the alias `champion` to a version. The rules are in euguess.promotion.gate."""
        body = {"name": REGISTERED_MODEL, "alias": CHAMPION, "version": version}
        self._raise(self._ask("POST", f"{_API}/registered-models/alias", json=body))

    def card(self, run_id: str) -> ModelCard:
        """Return the model card of a run. Its version is not the registry's; see `champion`."""
        data = self._artifact(run_id, f"{MODEL_ARTIFACTS}/model.json")
        try:
            return ModelCard.model_validate_json(data)
        except ValidationError:
            raise ServiceUnavailable(f"Run {run_id} has no readable model card.") from None

    def report(self, run_id: str) -> dict[str, Any]:
        """Return the evaluation report stored with the model of a run."""
        data = self._artifact(run_id, f"{MODEL_ARTIFACTS}/report.json")
        report: dict[str, Any] = json.loads(data)
        return report

    def finished_runs(self) -> list[FinishedRun]:
        """Return the newest tested runs, newest first."""
        return [FinishedRun.of(run) for run in self._runs(FINISHED_AND_TESTED)]

    def training_runs(self) -> list[TrainingRun]:
        """Return the newest trainings, newest first, including running and failed ones."""
        found = (TrainingRun.of(run) for run in self._runs(""))
        return [run for run in found if run.is_training]

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Return a metric by epoch, from 1. For a repeated epoch, the later value counts."""
        query = {"run_id": run_id, "metric_key": metric}
        answer = self._get(f"{_API}/metrics/get-history", query)
        self._raise(answer)
        return {int(one["step"]): one["value"] for one in answer.json().get("metrics", ())}

    def _runs(self, wanted: str) -> list[dict[str, Any]]:
        ids = self._experiments()
        if not ids:
            return []
        body = {
            "experiment_ids": ids,
            "filter": wanted,
            "max_results": MOST_RUNS,
            "order_by": ["attributes.start_time DESC"],
        }
        answer = self._ask("POST", f"{_API}/runs/search", json=body)
        self._raise(answer)
        runs: list[dict[str, Any]] = answer.json().get("runs", [])
        return runs

    def _experiments(self) -> list[str]:
        body = {"filter": f"name LIKE '{EXPERIMENT}%'", "max_results": MOST_EXPERIMENTS}
        answer = self._ask("POST", f"{_API}/experiments/search", json=body)
        self._raise(answer)
        found = answer.json().get("experiments", ())
        return [one["experiment_id"] for one in found if one["name"] in EXPERIMENTS]

    def run_report(self, run_id: str) -> Report:
        """Return the evaluation report of a finished run, registered or not."""
        data = self._artifact(run_id, REPORT_FILE)
        try:
            return Report.model_validate_json(data)
        except ValidationError:
            raise ServiceUnavailable(f"Run {run_id} has no readable report.") from None

    def recipe(self, run_id: str) -> str:
        """Return the recipe of a run as TOML."""
        return self._artifact(run_id, RECIPE_FILE).decode()

    def ask_stop(self, run_id: str) -> None:
        """Ask the trainer to stop a run after the current epoch."""
        body = {"run_id": run_id, "key": STOP_TAG, "value": utc_now().isoformat()}
        self._raise(self._ask("POST", f"{_API}/runs/set-tag", json=body))

    def clear_stop_request(self, run_id: str) -> None:
        """Withdraw a stop request, if there is one."""
        body = {"run_id": run_id, "key": STOP_TAG}
        answer = self._ask("POST", f"{_API}/runs/delete-tag", json=body)
        if answer.status_code != 404:
            self._raise(answer)

    def champion(self) -> ModelCard | None:
        """Return the champion's card and registry version, or None before the first promotion."""
        version = self._champion_version()
        if version is None:
            return None
        card = self.card(version["run_id"])
        return card.model_copy(update={"version": str(version["version"])})

    def champion_seen(self) -> SeenViews | None:
        """Return the views that the champion was trained or selected on."""
        version = self._champion_version()
        if version is None:
            return None
        return SeenViews.model_validate_json(self._artifact(version["run_id"], SEEN_FILE))

    def check(self) -> None:
        """Raise ServiceUnavailable unless MLflow answers."""
        self._raise(self._get("/health", {}))

    def _champion_version(self) -> dict[str, Any] | None:
        query = {"name": REGISTERED_MODEL, "alias": CHAMPION}
        answer = self._get(f"{_API}/registered-models/alias", query)
        if answer.status_code in (400, 404):
            return None
        self._raise(answer)
        version: dict[str, Any] = answer.json()["model_version"]
        return version

    def _artifact(self, run_id: str, name: str) -> bytes:
        query = {"run_uuid": run_id, "path": name}
        answer = self._get("/get-artifact", query)
        self._raise(answer)
        return answer.content

    def _get(self, path: str, query: dict[str, str]) -> httpx.Response:
        return self._ask("GET", path, params=query)

    def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"MLflow at {self._http.base_url} does not answer ({type(error).__name__}). "
                "Start the stack with `euguess up`, or see `euguess doctor`."
            ) from None

    def _raise(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise ServiceUnavailable(f"MLflow answered HTTP {answer.status_code}.")


def _registered(version: Mapping[str, Any]) -> RegisteredVersion:
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
    return RegisteredVersion.of(str(version["version"]), str(version["run_id"]), tags)
