"""The model registry: the champion, and the files of its version."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from euguess.errors import ServiceUnavailable
from euguess.promotion.versions import CHAMPION, MODEL_ARTIFACTS, REGISTERED_MODEL
from euguess.training.artifacts import database_file, readable_address

ABSENT = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"}  # MLflow: no such alias
HTTP_RETRIES = 1  # the agent retries itself; MLflow's default of 7 takes minutes
HTTP_TIMEOUT_SECONDS = 15


class RegistryUnavailable(ServiceUnavailable):
    """The model registry does not answer. Check EUGUESS_MLFLOW_URL."""


@dataclass(frozen=True, slots=True)
class Champion:
    """A registered version. The run id distinguishes equal versions of two registries."""

    version: str
    run_id: str

    @property
    def served_version(self) -> str:
        """The version's name in TorchServe."""
        return f"{self.version}-{self.run_id[:8]}"

    @property
    def folder(self) -> str:
        """The name of its archive in the model store."""
        return f"{REGISTERED_MODEL}-{self.served_version}"


class ModelRegistry(Protocol):
    """Finds and downloads the champion. Both methods raise RegistryUnavailable."""

    def champion(self) -> Champion | None:
        """Return the champion, None before the first promotion."""

    def download(self, champion: Champion, folder: Path) -> Path:
        """Download a version's model package into folder; returns the package's folder."""


class MlflowRegistry:
    """The registry of a tracking server (http://...) or of a database file (sqlite:///...)."""

    def __init__(self, url: str) -> None:
        self._url = url

    def champion(self) -> Champion | None:
        if self._database_is_missing():
            return None
        mlflow = _mlflow()
        try:
            client = mlflow.MlflowClient(self._url)
            found = client.get_model_version_by_alias(REGISTERED_MODEL, CHAMPION)
        except mlflow.MlflowException as error:
            if error.error_code in ABSENT:
                return None
            raise _unavailable(error) from None
        if not found.run_id:
            raise RegistryUnavailable(f"Version {found.version} of the model has no run.")
        return Champion(str(found.version), found.run_id)

    def download(self, champion: Champion, folder: Path) -> Path:
        folder.mkdir(parents=True, exist_ok=True)
        mlflow = _mlflow()
        try:
            run = mlflow.MlflowClient(self._url).get_run(champion.run_id)
            address = readable_address(run.info.artifact_uri, self._url)
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"{address}/{MODEL_ARTIFACTS}",
                dst_path=str(folder),
                tracking_uri=self._url,
            )
        except mlflow.MlflowException as error:
            raise RegistryUnavailable(
                f"Could not download the package of version {champion.version} from the model "
                f"registry ({type(error).__name__})."
            ) from None
        return Path(path)

    def _database_is_missing(self) -> bool:
        """Return True if MLflow would create the database."""
        database = database_file(self._url)
        return database is not None and not database.exists()


def _mlflow() -> Any:
    """Import MLflow late: it takes 4 seconds, and a restarted server must not wait for it."""
    import mlflow
    from mlflow import environment_variables

    environment_variables.MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(HTTP_RETRIES)  # type: ignore[no-untyped-call] # MLflow's
    environment_variables.MLFLOW_HTTP_REQUEST_TIMEOUT.set(HTTP_TIMEOUT_SECONDS)  # type: ignore[no-untyped-call] # MLflow's
    return mlflow


def _unavailable(error: Exception) -> RegistryUnavailable:
    return RegistryUnavailable(
        f"The model registry does not answer ({type(error).__name__}). Check EUGUESS_MLFLOW_URL."
    )
