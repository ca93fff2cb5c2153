"""A model package and a TorchServe in memory."""

import json
from pathlib import Path

import httpx
import pytest

from services.inference.management import TorchServeClient, Waits
from tests.support.fake_torchserve import INFERENCE_URL, KEYS, MANAGEMENT_URL, FakeTorchServe
from tests.support.model_packages import make_package


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A small model package."""
    return make_package(tmp_path / "package")


@pytest.fixture
def torchserve(tmp_path: Path) -> FakeTorchServe:
    """A TorchServe without models; its store is the folder `store`."""
    (tmp_path / "store").mkdir()
    return FakeTorchServe(tmp_path / "store")


@pytest.fixture
def server(tmp_path: Path, torchserve: FakeTorchServe) -> TorchServeClient:
    """Client of that TorchServe, which hardly waits."""
    key_file = tmp_path / "key_file.json"
    key_file.write_text(json.dumps(KEYS))
    waits = Waits(ready=0.0, drained=0.0, after_drained=0.0)
    transport = httpx.MockTransport(torchserve)
    return TorchServeClient(INFERENCE_URL, MANAGEMENT_URL, key_file, waits, transport)
