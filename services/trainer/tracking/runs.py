"""Runs in MLflow: a tracking server, or a database file when no stack is running.

Only the modules of services.trainer.tracking use MLflow.
"""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from mlflow import MlflowClient, environment_variables
from mlflow.artifacts import download_artifacts
from mlflow.entities import Metric, Param, Run
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.telemetry import set_telemetry_client

from euguess.clock import utc_now
from euguess.errors import InvalidInput, ServiceUnavailable
from euguess.process.locks import folder_lock
from euguess.promotion.versions import MODEL_ARTIFACTS
from euguess.training.artifacts import RELATIVE, readable_address
from euguess.training.runs import (
    ALIVE_SECONDS,
    ALIVE_TAG,
    EXPERIMENT,
    EXPERIMENTS,
    FINISHED,
    STOP_TAG,
)
from services.trainer.background import repeated
from services.trainer.errors import RunTaken, Stopped
from services.trainer.progress import EpochResult
from services.trainer.tracking.ownership import OWNER_TAG, Owner, require_free, require_owner

LOCK_FOLDER = "mlflow-lock"
ANSWERS_FILE = "answers.json"
ANSWER_WITHIN_SECONDS = 5.0
HTTP_RETRIES = 2  # MLflow's default of 7 takes minutes
LISTED_RUNS = 100
SHOWN_RUNS = 5
MILLISECONDS = 1000


@dataclass(frozen=True)
class RunSummary:
    """A run, as shown in the list of runs."""

    run_id: str
    name: str
    status: str
    started_at: datetime
    tags: Mapping[str, str]
    metrics: Mapping[str, float]


class Tracking:
    """Writes and reads runs. Raises ServiceUnavailable when MLflow fails."""

    def __init__(self, client: MlflowClient, *, is_server: bool) -> None:
        self.client = client
        self._is_server = is_server

    @contextmanager
    def run(
        self,
        name: str,
        tags: Mapping[str, str],
        params: Mapping[str, Any],
        owner: Owner,
        run_id: str | None = None,
        *,
        ignores_stop_request: bool = False,
    ) -> Iterator[str]:
        """Start a run, or resume run_id; mark it finished, failed or killed at the end.

        A request to stop that run_id got before can be ignored; one that comes later counts.
        Raises RunBusy if a process on another machine is training run_id.
        """
        with mlflow_errors():
            continued = self._continued(run_id, owner, ignores_stop_request)
            run_id = continued or self._new_run(name, tags, params)
            self.client.set_tag(run_id, OWNER_TAG, owner.tag)
        try:
            with self._heartbeat(run_id):
                yield run_id
        except RunTaken:
            raise  # its new owner reports how it ends
        except BaseException as error:
            is_stopped = isinstance(error, Stopped) or not isinstance(error, Exception)
            with suppress(MlflowException):  # the error that ended the run says more
                self.client.set_terminated(run_id, "KILLED" if is_stopped else "FAILED")
            if isinstance(error, Stopped):
                self._clear_stop_request(run_id)
            raise
        with mlflow_errors():
            self.client.set_terminated(run_id, "FINISHED")

    @contextmanager
    def _heartbeat(self, run_id: str) -> Iterator[None]:
        self._beat(run_id)
        with repeated(lambda: self._beat(run_id), ALIVE_SECONDS):
            yield

    def _beat(self, run_id: str) -> None:
        with suppress(MlflowException):
            self.client.set_tag(run_id, ALIVE_TAG, utc_now().isoformat())

    def require_owner(self, run_id: str, owner: Owner) -> None:
        """Raise RunTaken if another process has taken over the run."""
        with mlflow_errors():
            require_owner(self.client.get_run(run_id), owner)

    def log_epoch(self, run_id: str, result: EpochResult) -> None:
        """Log the metrics of an epoch; its step is its number from 1."""
        values = {name: value for name, value in asdict(result).items() if name != "epoch"}
        self.log_metrics(run_id, values, step=result.epoch + 1)

    def log_metrics(self, run_id: str, values: Mapping[str, float], *, step: int = 0) -> None:
        now = int(datetime.now(UTC).timestamp() * MILLISECONDS)
        metrics = [Metric(name, value, now, step) for name, value in values.items()]
        with mlflow_errors():
            self.client.log_batch(run_id, metrics=metrics)

    def is_stop_requested(self, run_id: str) -> bool:
        with mlflow_errors():
            return STOP_TAG in self.client.get_run(run_id).data.tags

    def _clear_stop_request(self, run_id: str) -> None:
        """Remove a stop request that was carried out or is outdated, so that the run can resume."""
        if self.is_stop_requested(run_id):
            with mlflow_errors():
                self.client.delete_tag(run_id, STOP_TAG)

    def log_text(self, run_id: str, text: str, name: str) -> None:
        """Store a text as a file of the run. Its name may contain folders."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            self._log_files(run_id, Path(folder))

    def log_model(self, run_id: str, package: Path) -> None:
        """Store the files of a model package with the run."""
        self._log_files(run_id, package, MODEL_ARTIFACTS)

    def _log_files(self, run_id: str, folder: Path, below: str | None = None) -> None:
        address = self._artifact_uri(run_id)
        with mlflow_errors():
            files = get_artifact_repository(address, tracking_uri=self.client.tracking_uri)
            files.log_artifacts(str(folder), below)  # type: ignore[no-untyped-call] # MLflow's

    def fetch(self, run_id: str, name: str, folder: Path) -> Path:
        """Download a file or folder of a run. Raises InvalidInput when it has none."""
        uri = f"{self._artifact_uri(run_id)}/{name}"
        url = self.client.tracking_uri
        try:
            return Path(download_artifacts(uri, dst_path=str(folder), tracking_uri=url))
        except (MlflowException, OSError):
            raise InvalidInput(
                f"Run {run_id} has no {name}: it did not finish, or registered no model. "
                "List the runs: euguess models runs"
            ) from None

    def find(self, run_id: str) -> RunSummary:
        """Return a run. Raises InvalidInput when there is no such run."""
        try:
            return _summary(self.client.get_run(run_id))
        except MlflowException as error:
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise _unknown_run(run_id) from None
            raise unavailable(error) from None

    def full_id(self, start: str) -> str:
        """Return the id of the run that starts so. Raises InvalidInput unless there is just one."""
        found = [run.run_id for run in self.runs() if start and run.run_id.startswith(start)]
        if len(found) > 1:
            raise InvalidInput(
                f"{len(found)} runs start with {start!r}: {', '.join(found[:SHOWN_RUNS])}. "
                "Give more of the id."
            )
        return found[0] if found else self.find(start).run_id

    def require_unfinished(self, run_id: str) -> None:
        """Raise InvalidInput when the run has finished or is unknown."""
        if self.find(run_id).status == FINISHED:
            raise InvalidInput(f"Run {run_id} has finished; there is nothing to resume.")

    def runs(self) -> list[RunSummary]:
        """Return the runs, newest first."""
        return [_summary(run) for run in self._search()]

    def history(self, run_id: str, name: str) -> tuple[float, ...]:
        """Return a metric by epoch; if an epoch ran twice, the later value."""
        with mlflow_errors():
            found = self.client.get_metric_history(run_id, name)
        values = {metric.step: metric.value for metric in found}
        return tuple(values[step] for step in sorted(values))

    def finished(self, tags: Mapping[str, str]) -> list[str]:
        """Return the ids of the finished runs with these tags, newest first."""
        wanted = [f"tags.{name} = '{value}'" for name, value in tags.items()]
        query = " and ".join(["attributes.status = 'FINISHED'", *wanted])
        return [str(run.info.run_id) for run in self._search(query)]

    def _search(self, query: str = "") -> list[Run]:
        with mlflow_errors():
            known = (self.client.get_experiment_by_name(name) for name in EXPERIMENTS)
            ids = [experiment.experiment_id for experiment in known if experiment is not None]
            found = self.client.search_runs(ids, query, max_results=LISTED_RUNS) if ids else []
        return list(found)

    def _continued(
        self, run_id: str | None, owner: Owner, ignores_stop_request: bool
    ) -> str | None:
        """Mark a run as running again and return its id; None if the run was deleted."""
        if run_id is None:
            return None
        try:
            require_free(self.client.get_run(run_id), owner, utc_now())
            if ignores_stop_request:
                self._clear_stop_request(run_id)
            self.client.update_run(run_id, "RUNNING")
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return None
            raise
        return run_id

    def _new_run(self, name: str, tags: Mapping[str, str], params: Mapping[str, Any]) -> str:
        run = self.client.create_run(self._experiment(), tags=dict(tags), run_name=name)
        run_id = str(run.info.run_id)
        values = [Param(key, str(value)) for key, value in params.items()]
        self.client.log_batch(run_id, params=values)
        return run_id

    def _experiment(self) -> str:
        experiment = self.client.get_experiment_by_name(EXPERIMENT)
        if experiment is not None:
            return str(experiment.experiment_id)
        location = None if self._is_server else f"{RELATIVE}{EXPERIMENT}"
        try:
            return str(self.client.create_experiment(EXPERIMENT, artifact_location=location))
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
            return self._experiment()  # another process created it

    def _artifact_uri(self, run_id: str) -> str:
        self.find(run_id)
        with mlflow_errors():
            address = str(self.client.get_run(run_id).info.artifact_uri)
        return readable_address(address, self.client.tracking_uri)


def open_tracking(url: str, home: Path) -> Tracking:
    """Open the tracking of a server (http...) or a database file. Raises ServiceUnavailable."""
    _be_quiet()
    is_server = url.startswith(("http://", "https://"))
    if is_server:
        _require_answer(url)
        return Tracking(_client(url), is_server=True)
    with folder_lock(home / LOCK_FOLDER):  # two processes cannot create the tables at the same time
        return Tracking(_client(url), is_server=False)


def _client(url: str) -> MlflowClient:
    with mlflow_errors():
        client = MlflowClient(url)
        client.search_experiments(max_results=1)
    return client


@contextmanager
def mlflow_errors() -> Iterator[None]:
    """Turn MLflow's errors into ServiceUnavailable."""
    try:
        yield
    except MlflowException as error:
        raise unavailable(error) from None


def unavailable(error: MlflowException) -> ServiceUnavailable:
    """Return an error with the first line of MLflow's message, and what to do."""
    first_line = str(error).partition("\n")[0][:200]
    return ServiceUnavailable(
        f"MLflow failed ({first_line}). Check EUGUESS_MLFLOW_URL, or the stack's mlflow.log."
    )


def _unknown_run(run_id: str) -> InvalidInput:
    return InvalidInput(f"There is no run {run_id!r}. List the runs: euguess models runs")


def _require_answer(url: str) -> None:
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=ANSWER_WITHIN_SECONDS)
        answer.raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServiceUnavailable(
            f"MLflow at {url} does not answer ({type(error).__name__}). Start the stack with "
            "`euguess up`, or check EUGUESS_MLFLOW_URL."
        ) from None


def _be_quiet() -> None:
    """Turn off MLflow's telemetry, progress bars and log messages."""
    for variable, value in (
        (environment_variables.MLFLOW_DISABLE_TELEMETRY, True),
        (environment_variables.MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, False),
        (environment_variables.MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT, True),
        (environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES, HTTP_RETRIES),
    ):
        variable.set(value)  # type: ignore[no-untyped-call] # MLflow's
    set_telemetry_client()  # type: ignore[no-untyped-call] # MLflow's
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _summary(run: Run) -> RunSummary:
    started = datetime.fromtimestamp((run.info.start_time or 0) / MILLISECONDS, UTC)
    return RunSummary(
        run_id=run.info.run_id,
        name=run.info.run_name or "",
        status=run.info.status,
        started_at=started,
        tags=run.data.tags,
        metrics=run.data.metrics,
    )
