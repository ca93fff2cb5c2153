"""A model package and a TorchServe in memory."""

import json
from pathlib import Path

import httpx
import pytest

from euguess.clients import InferenceClient
from services.inference.management import ManagementClient, Timeouts
from services.inference.readiness import TorchServe
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
def server(tmp_path: Path, torchserve: FakeTorchServe) -> TorchServe:
    """Clients of that TorchServe, with short timeouts."""
    key_file = tmp_path / "key_file.json"
    key_file.write_text(json.dumps(KEYS))
    timeouts = Timeouts(ready=0.0, drained=0.0, after_drained=0.0)
    transport = httpx.MockTransport(torchserve)
    return TorchServe(
        ManagementClient(MANAGEMENT_URL, key_file, transport, timeouts),
        InferenceClient(INFERENCE_URL, key_file, transport),
    )
