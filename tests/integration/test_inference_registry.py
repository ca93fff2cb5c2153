"""The agent's client against a real MLflow registry."""

from pathlib import Path

import pytest

from services.inference.model_package import verify_package
from services.inference.model_registry import Champion, MlflowRegistry, RegistryUnavailable
from tests.support.model_packages import make_package
from tests.support.model_registry import LocalRegistry

pytestmark = pytest.mark.filterwarnings(
    # MLflow's own queries, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
)


def test_reading_the_champion_does_not_create_a_database(tmp_path: Path) -> None:
    assert MlflowRegistry(f"sqlite:///{tmp_path / 'mlflow.db'}").champion() is None
    assert list(tmp_path.iterdir()) == []


def test_the_champion_and_its_package_are_found(tmp_path: Path) -> None:
    local = LocalRegistry(tmp_path / "registry")
    registry = MlflowRegistry(local.url)
    version = local.register(make_package(tmp_path / "package"))
    assert registry.champion() is None
    local.promote(version)
    champion = registry.champion()
    assert champion is not None
    assert champion.version == version
    verify_package(registry.download(champion, tmp_path / "download"))


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    registry = MlflowRegistry(LocalRegistry(tmp_path / "registry").url)
    with pytest.raises(RegistryUnavailable, match="Could not download the package of version 7"):
        registry.download(Champion("7", "f" * 32), tmp_path / "download")


def test_an_unreachable_server_is_reported(free_port: int) -> None:
    with pytest.raises(RegistryUnavailable, match="EUGUESS_MLFLOW_URL"):
        MlflowRegistry(f"http://127.0.0.1:{free_port}").champion()
