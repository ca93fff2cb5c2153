"""The contract of object stores, tested with every kind of store."""

from pathlib import Path

import pytest

from euguess.settings import StoreSettings
from euguess.storage import ObjectStore, open_store
from tests.support.store_contract import StoreContract

REAL_SERVERS = {"seaweedfs": "store_settings", "minio": "minio_settings"}


@pytest.fixture(
    params=["memory", "local", "seaweedfs", pytest.param("minio", marks=pytest.mark.minio)]
)
def any_settings(request: pytest.FixtureRequest, tmp_path: Path) -> StoreSettings:
    if request.param in REAL_SERVERS:
        settings: StoreSettings = request.getfixturevalue(REAL_SERVERS[request.param])
        return settings
    url = "memory://" if request.param == "memory" else f"file://{tmp_path / 'store'}"
    return StoreSettings(store_url=url)


@pytest.fixture
async def store(any_settings: StoreSettings) -> ObjectStore:
    return await open_store(any_settings)


class TestEveryStore(StoreContract):
    """Tests the full contract."""
