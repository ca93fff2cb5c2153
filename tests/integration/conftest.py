"""The simulator and a rig of fetcher workers, for tests of complete collections."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from euguess.settings import StoreSettings
from tests.support.fetcher_rig import Rig, running_simulator


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a running simulator."""
    with running_simulator(tmp_path_factory.mktemp("simulator")) as url:
        yield url


@pytest.fixture
def rig(tmp_path: Path, redis_url: str, store_settings: StoreSettings, simulator: str) -> Rig:
    """A rig with an empty Redis and an empty store."""
    rig = Rig(tmp_path, redis_url, store_settings, simulator)
    rig.reset()
    return rig
