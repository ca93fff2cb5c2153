"""A real MLflow registry in a folder, with a database file and artifacts."""

from pathlib import Path

from mlflow import MlflowClient

from euguess.promotion.versions import CHAMPION, MODEL_ARTIFACTS, REGISTERED_MODEL


class LocalRegistry:
    """Registers model packages and promotes champions, as the trainer does."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.url = f"sqlite:///{folder / 'mlflow.db'}"
        self._client = MlflowClient(self.url)
        location = (folder / "artifacts").as_uri()
        self._experiment = self._client.create_experiment("models", artifact_location=location)
        self._client.create_registered_model(REGISTERED_MODEL)

    def register(self, package: Path) -> str:
        """Store a package as a new version; returns the version."""
        run = self._client.create_run(self._experiment)
        self._client.log_artifacts(run.info.run_id, str(package), MODEL_ARTIFACTS)
        source = f"{run.info.artifact_uri}/{MODEL_ARTIFACTS}"
        created = self._client.create_model_version(REGISTERED_MODEL, source, run.info.run_id)
        return str(created.version)

    def promote(self, version: str) -> None:
        """Make a version the champion."""
        self._client.set_registered_model_alias(REGISTERED_MODEL, CHAMPION, version)
