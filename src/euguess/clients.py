"""Typed HTTP clients of the services, for the command line and the dashboard."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from euguess.errors import DatasetConflict, DatasetNotFound, InvalidInput, ServiceUnavailable
from euguess.registry import CHAMPION, MODEL_ARTIFACTS, REGISTERED_MODEL, SEEN_FILE, Candidate
from euguess.report import Report
from euguess.runs import EXPERIMENT, FINISHED_AND_TESTED, REPORT_FILE, FinishedRun, TrainingRun
from euguess.schemas import (
    Budget,
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    Explanation,
    ModelCard,
    Prediction,
    QueueStatus,
    SeenViews,
)

TIMEOUT_SECONDS = 30.0
MAX_VIEWS = 8
MOST_VERSIONS = 200
MOST_RUNS = 200
_API = "/api/2.0/mlflow"
Answer = TypeVar("Answer", Prediction, Explanation)


class _Client:
    """One HTTP client, closed at the end of a `with` block."""

    def __init__(
        self,
        base_url: str,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._http = httpx.Client(base_url=base_url, timeout=timeout_seconds, transport=transport)

    @property
    def url(self) -> str:
        """Where the service is."""
        return str(self._http.base_url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()


class SamplerClient(_Client):
    """Datasets over HTTP. Raises ServiceUnavailable when the sampler does not answer."""

    def create(self, spec: DatasetSpec) -> DatasetStatus:
        """Ask for a dataset; the same spec again is harmless and resumes a stopped one."""
        answer = self._send("POST", "/datasets", json=spec.model_dump(mode="json"))
        return DatasetStatus.model_validate_json(answer)

    def status(self, name: str) -> DatasetStatus:
        return DatasetStatus.model_validate_json(self._send("GET", f"/datasets/{name}"))

    def datasets(self) -> list[DatasetStatus]:
        return _DATASETS.validate_json(self._send("GET", "/datasets"))

    def stop(self, name: str) -> DatasetStatus:
        """End a collection; what is stored stays."""
        return DatasetStatus.model_validate_json(self._send("DELETE", f"/datasets/{name}"))

    def set_budget(self, name: str, budget: Budget) -> DatasetStatus:
        """Replace the budget of a collection, which goes on if it allows more."""
        body = budget.model_dump(mode="json")
        answer = self._send("PUT", f"/datasets/{name}/budget", json=body)
        return DatasetStatus.model_validate_json(answer)

    def dead_letters(self) -> list[DeadLetter]:
        return _DEAD_LETTERS.validate_json(self._send("GET", "/dead-letters"))

    def queues(self) -> QueueStatus:
        return QueueStatus.model_validate_json(self._send("GET", "/queues"))

    def troubles(self) -> dict[str, str]:
        """What keeps the sampler from working, by part (redis, store, collection)."""
        answer = self._answer("GET", "/readyz")
        if answer.is_success:
            return {}
        try:
            return _TROUBLES.validate_json(answer.content)
        except ValidationError:
            raise ServiceUnavailable(f"The sampler is not ready: {_reason(answer)}") from None

    def _send(self, method: str, path: str, **options: Any) -> bytes:
        answer = self._answer(method, path, **options)
        _raise_for_sampler(answer)
        return answer.content

    def _answer(self, method: str, path: str, **options: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, **options)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"The sampler at {self._http.base_url} does not answer ({type(error).__name__}); "
                "start the stack with `euguess up`, or see `euguess doctor`."
            ) from None


_DATASETS = TypeAdapter(list[DatasetStatus])
_DEAD_LETTERS = TypeAdapter(list[DeadLetter])
_TROUBLES = TypeAdapter(dict[str, str])
_SAMPLER_ERRORS = {404: DatasetNotFound, 409: DatasetConflict, 422: InvalidInput}


def _raise_for_sampler(answer: httpx.Response) -> None:
    if answer.is_success:
        return
    kind = _SAMPLER_ERRORS.get(answer.status_code, ServiceUnavailable)
    raise kind(_reason(answer))


class InferenceClient(_Client):
    """Predictions by TorchServe; key_file is its key_file.json, read anew for each request."""

    def __init__(
        self,
        base_url: str,
        key_file: Path | None = None,
        transport: httpx.BaseTransport | None = None,
        *,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        super().__init__(base_url, transport, timeout_seconds=timeout_seconds)
        self._key_file = key_file

    @property
    def key_file(self) -> Path | None:
        """Where the token is read from; None where none is asked for."""
        return self._key_file

    def predict(self, views: Sequence[bytes]) -> Prediction:
        """Country of a place seen on 1..8 photos. Raises InvalidInput with the server's reason."""
        return self._ask("predictions", views, Prediction)

    def explain(self, views: Sequence[bytes]) -> Explanation:
        """Why 1..8 photos of a place were given their country. Raises as predict does."""
        return self._ask("explanations", views, Explanation)

    def check(self) -> None:
        """Raises ServiceUnavailable unless TorchServe answers."""
        answer = self._send("GET", "/ping")
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe is not healthy: {_reason(answer)}")

    def _ask(self, question: str, views: Sequence[bytes], kind: type[Answer]) -> Answer:
        if not 1 <= len(views) <= MAX_VIEWS:
            raise InvalidInput(f"{len(views)} photos given; send 1 to {MAX_VIEWS} of one place.")
        answer = self._send("POST", f"/{question}/euguess", **_body(views))
        if answer.status_code in (400, 413) and "InvalidKeyException" not in answer.text:
            raise InvalidInput(_reason(answer))
        if not answer.is_success:
            raise ServiceUnavailable(f"TorchServe refused the request: {_reason(answer)}")
        try:
            return kind.model_validate_json(answer.content)
        except ValidationError:
            raise ServiceUnavailable(
                f"{self._http.base_url} did not answer as the EUGuess model server does."
            ) from None

    def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        try:
            return self._http.request(method, path, headers=self._headers(), **body)
        except httpx.TransportError as error:
            raise ServiceUnavailable(
                f"TorchServe at {self._http.base_url} does not answer ({type(error).__name__}); "
                "start the stack with `euguess up`, or see `euguess doctor`."
            ) from None

    def _headers(self) -> dict[str, str]:
        if self._key_file is None:
            return {}
        try:
            keys = json.loads(self._key_file.read_text())
        except FileNotFoundError:
            raise ServiceUnavailable(
                f"TorchServe's key file {self._key_file} is missing; is the stack running?"
            ) from None
        return {"Authorization": f"Bearer {keys['inference']['key']}"}


def _body(views: Sequence[bytes]) -> dict[str, Any]:
    if len(views) == 1:
        return {"content": views[0]}
    return {"files": {f"view{i}": (f"view{i}", view) for i, view in enumerate(views, start=1)}}


def _reason(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    if isinstance(body, dict):
        for field in ("detail", "reason", "message", "error"):
            if body.get(field):
                return str(body[field])
    return f"HTTP {answer.status_code}"


class RegistryClient(_Client):
    """Versions in an MLflow server. Raises ServiceUnavailable when it is down."""

    def versions(self) -> list[Candidate]:
        """The newest versions, newest first."""
        query = {"filter": f"name = '{REGISTERED_MODEL}'", "max_results": str(MOST_VERSIONS)}
        answer = self._get(f"{_API}/model-versions/search", query)
        self._raise(answer)
        found = [_candidate(version) for version in answer.json().get("model_versions", ())]
        return sorted(found, key=lambda candidate: -int(candidate.version))

    def version(self, number: str) -> Candidate:
        """Raises InvalidInput when there is no such version."""
        query = {"name": REGISTERED_MODEL, "version": number}
        answer = self._get(f"{_API}/model-versions/get", query)
        if answer.status_code in (400, 404):
            raise InvalidInput(f"The registry has no version {number} (any more).")
        self._raise(answer)
        return _candidate(answer.json()["model_version"])

    def champion_version(self) -> Candidate | None:
        """None before the first promotion."""
        found = self._champion_version()
        return None if found is None else _candidate(found)

    def crown(self, version: str) -> None:
        """Give a version the alias that is served; the rules are in euguess.promotion."""
        body = {"name": REGISTERED_MODEL, "alias": CHAMPION, "version": version}
        self._raise(self._ask("POST", f"{_API}/registered-models/alias", json=body))

    def card(self, run_id: str) -> ModelCard:
        """Of the model of a run; its version is that of the registry for champions alone."""
        data = self._artifact(run_id, f"{MODEL_ARTIFACTS}/model.json")
        try:
            return ModelCard.model_validate_json(data)
        except ValidationError:
            raise ServiceUnavailable(f"Run {run_id} has no readable model card.") from None

    def report(self, run_id: str) -> dict[str, Any]:
        """The evaluation report that was stored with the model of a run."""
        data = self._artifact(run_id, f"{MODEL_ARTIFACTS}/report.json")
        report: dict[str, Any] = json.loads(data)
        return report

    def finished_runs(self) -> list[FinishedRun]:
        """The newest runs that were tested, newest first."""
        return [FinishedRun.of(run) for run in self._runs(FINISHED_AND_TESTED)]

    def training_runs(self) -> list[TrainingRun]:
        """The newest trainings, newest first, those that still run or failed too."""
        found = (TrainingRun.of(run) for run in self._runs(""))
        return [run for run in found if run.is_training]

    def history(self, run_id: str, metric: str) -> dict[int, float]:
        """Values of a metric by epoch, from 1; of an epoch that was run twice the later one."""
        query = {"run_id": run_id, "metric_key": metric}
        answer = self._get(f"{_API}/metrics/get-history", query)
        self._raise(answer)
        return {int(one["step"]): one["value"] for one in answer.json().get("metrics", ())}

    def _runs(self, wanted: str) -> list[dict[str, Any]]:
        query = {"experiment_name": EXPERIMENT}
        found = self._get(f"{_API}/experiments/get-by-name", query)
        if found.status_code == 404:
            return []
        self._raise(found)
        body = {
            "experiment_ids": [found.json()["experiment"]["experiment_id"]],
            "filter": wanted,
            "max_results": MOST_RUNS,
            "order_by": ["attributes.start_time DESC"],
        }
        answer = self._ask("POST", f"{_API}/runs/search", json=body)
        self._raise(answer)
        runs: list[dict[str, Any]] = answer.json().get("runs", [])
        return runs

    def run_report(self, run_id: str) -> Report:
        """The evaluation report of a finished run, registered or not."""
        data = self._artifact(run_id, REPORT_FILE)
        try:
            return Report.model_validate_json(data)
        except ValidationError:
            raise ServiceUnavailable(f"Run {run_id} has no readable report.") from None

    def champion(self) -> ModelCard | None:
        """Card of the champion with its registry version, or None before the first promotion."""
        version = self._champion_version()
        if version is None:
            return None
        card = self.card(version["run_id"])
        return card.model_copy(update={"version": str(version["version"])})

    def champion_report(self) -> dict[str, Any] | None:
        """The evaluation report that was stored with the champion."""
        version = self._champion_version()
        if version is None:
            return None
        return self.report(version["run_id"])

    def champion_seen(self) -> SeenViews | None:
        """What the champion was trained on or chosen by."""
        version = self._champion_version()
        if version is None:
            return None
        return SeenViews.model_validate_json(self._artifact(version["run_id"], SEEN_FILE))

    def check(self) -> None:
        """Raises ServiceUnavailable unless MLflow answers."""
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
                f"MLflow at {self._http.base_url} does not answer ({type(error).__name__}); "
                "start the stack with `euguess up`, or see `euguess doctor`."
            ) from None

    def _raise(self, answer: httpx.Response) -> None:
        if not answer.is_success:
            raise ServiceUnavailable(f"MLflow answered HTTP {answer.status_code}.")


def _candidate(version: Mapping[str, Any]) -> Candidate:
    tags = {tag["key"]: tag["value"] for tag in version.get("tags", ())}
    return Candidate.of(str(version["version"]), str(version["run_id"]), tags)
