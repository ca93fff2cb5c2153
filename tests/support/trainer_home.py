"""A trainer's home: a folder store with a learnable dataset, and MLflow in a file."""

import asyncio
import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from euguess.process.project import project_root, service_environment
from euguess.settings import MlflowSettings, StoreSettings
from euguess.storage import open_store
from euguess.training.recipes.recipe import parse_recipe
from euguess.training.recipes.split_spec import SplitProtocol
from services.trainer.runs.experiment import RunRequest
from services.trainer.session import Session, open_session
from tests.support.country_photos import LearnableDataset
from tests.support.warm_commands import run_warm

RECIPE = 'name = "tiny"\nnetwork = "customnet"\nimage_size = 32\nepochs = 3\nbatch_size = 16\n'
QUOTAS = {"FR": 6, "IT": 6, "PL": 6}


@dataclass(frozen=True)
class TrainerHome:
    """Folder in which a trainer runs, in a separate process or in this one."""

    folder: Path

    @property
    def store(self) -> StoreSettings:
        return StoreSettings(store_url=f"file://{self.folder / 'store'}")

    @property
    def mlflow(self) -> MlflowSettings:
        return MlflowSettings(mlflow_url=f"sqlite:///{self.folder / 'mlflow.db'}")

    @property
    def recipe_file(self) -> Path:
        path = self.folder / "tiny.toml"
        path.write_text(RECIPE)
        return path

    def fill(self, name: str = "tiny", quotas: Mapping[str, int] = QUOTAS) -> None:
        """Store a dataset of three views per place; a larger quota makes it grow."""
        asyncio.run(self._fill(name, quotas))

    async def _fill(self, name: str, quotas: Mapping[str, int]) -> None:
        store = await open_store(self.store)
        await LearnableDataset(store, name).fill(quotas)

    def session(self, mlflow: MlflowSettings | None = None) -> Session:
        quiet = Console(quiet=True)
        return open_session(self.folder, self.store, mlflow or self.mlflow, "cpu", quiet)

    def trainer(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a trainer command; variables are additional settings."""
        env = service_environment(EUGUESS_HOME=str(self.folder), COLUMNS="120", **variables)
        return run_warm("services.trainer", arguments, env, project_root(), seconds=240)

    def trainer_json(self, *arguments: str) -> dict[str, Any]:
        """Return the JSON output of a command that must succeed."""
        answer = self.trainer(*arguments, "--json")
        assert answer.returncode == 0, answer.stderr
        parsed: dict[str, Any] = json.loads(answer.stdout)
        return parsed


def tiny_request(*overrides: str, protocol: str = "location", promoted: bool = False) -> RunRequest:
    recipe = parse_recipe(RECIPE, overrides).with_protocol(SplitProtocol(protocol))
    return RunRequest(dataset="tiny", recipe=recipe, is_promoted=promoted)
