"""The agent against an in-memory TorchServe and registry, with real packages and archives."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.inference.agent import Agent, AgentOptions, pause_seconds
from services.inference.archive import ArchiveOptions
from services.inference.golden import golden_photo
from services.inference.management import TorchServeFailed
from services.inference.model_registry import Champion, RegistryUnavailable
from services.inference.model_store import ModelStore
from services.inference.readiness import TorchServe
from tests.support.fake_torchserve import FakeTorchServe
from tests.support.model_packages import make_package

V1, V2 = Champion("1", "a" * 32), Champion("2", "b" * 32)


class FakeRegistry:
    """Packages by version, and the champion."""

    def __init__(self, folder: Path) -> None:
        self.packages = {V1: make_package(folder / "1", 1), V2: make_package(folder / "2", 2)}
        self.present: Champion | None = None
        self.is_down = False
        self.downloads = 0

    def champion(self) -> Champion | None:
        if self.is_down:
            raise RegistryUnavailable
        return self.present

    def download(self, champion: Champion, folder: Path) -> Path:
        self.downloads += 1
        return Path(shutil.copytree(self.packages[champion], folder / "model"))


@pytest.fixture
def registry(tmp_path: Path) -> FakeRegistry:
    return FakeRegistry(tmp_path / "registry")


@pytest.fixture
def store(tmp_path: Path, torchserve: FakeTorchServe) -> ModelStore:
    return ModelStore(torchserve.store, tmp_path / "served.json")


@pytest.fixture
def agent(registry: FakeRegistry, server: TorchServe, store: ModelStore) -> Agent:
    return Agent(registry, server, store, AgentOptions())


def _served_version(server: TorchServe) -> str:
    return server.inference.predict([golden_photo()]).model.version


def test_nothing_happens_before_the_first_promotion(
    agent: Agent, torchserve: FakeTorchServe
) -> None:
    agent.step()
    assert torchserve.calls == []


def test_the_champion_is_served_with_its_registry_version(
    agent: Agent, registry: FakeRegistry, server: TorchServe, store: ModelStore
) -> None:
    registry.present = V2
    agent.step()
    assert _served_version(server) == "2"
    assert store.current() == V2


def test_the_old_version_is_removed_only_after_the_switch_to_the_new_one(
    agent: Agent, registry: FakeRegistry, torchserve: FakeTorchServe
) -> None:
    for registry.present in (V1, V2):
        agent.step()
    new, old = V2.served_version, V1.served_version
    expected = [f"register {old}", f"register {new}", f"default {new}", f"unregister {old}"]
    assert torchserve.calls == expected


def test_repeating_a_step_changes_nothing(
    agent: Agent, registry: FakeRegistry, torchserve: FakeTorchServe
) -> None:
    registry.present = V1
    agent.step()
    calls = list(torchserve.calls)
    agent.step()
    assert torchserve.calls == calls
    assert registry.downloads == 1


def test_a_rollback_uses_the_archive_that_was_kept(
    agent: Agent, registry: FakeRegistry, server: TorchServe
) -> None:
    for registry.present in (V1, V2, V1):
        agent.step()
    assert _served_version(server) == "1"
    assert registry.downloads == 2


def _truncate(package: Path) -> None:
    (package / "model.onnx").write_bytes((package / "model.onnx").read_bytes()[:100])


def _remove_card(package: Path) -> None:
    (package / "model.json").unlink()


@pytest.mark.parametrize("spoil", [_truncate, _remove_card])
def test_an_invalid_package_is_rejected_once_and_the_old_model_stays(
    agent: Agent,
    registry: FakeRegistry,
    server: TorchServe,
    caplog: pytest.LogCaptureFixture,
    spoil: Callable[[Path], None],
) -> None:
    registry.present = V1
    agent.step()
    spoil(registry.packages[V2])
    registry.present = V2
    agent.step()
    agent.step()
    assert _served_version(server) == "1"
    assert registry.downloads == 2
    errors = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert len(errors) == 1
    assert errors[0].startswith("Version 2 was rejected")


def test_a_model_that_predicts_differently_when_served_is_rejected(
    agent: Agent, registry: FakeRegistry, torchserve: FakeTorchServe, server: TorchServe
) -> None:
    registry.present = V1
    agent.step()
    torchserve.disturbed = (V2.served_version,)
    registry.present = V2
    agent.step()
    assert _served_version(server) == "1"
    assert server.management.versions() == [V1.served_version]


def test_a_model_that_does_not_load_is_removed_and_retried(
    agent: Agent, registry: FakeRegistry, torchserve: FakeTorchServe, server: TorchServe
) -> None:
    registry.present, torchserve.loads_models = V1, False
    with pytest.raises(TorchServeFailed, match="did not load version"):
        agent.step()
    assert server.management.versions() == []
    torchserve.loads_models = True
    agent.step()
    assert _served_version(server) == "1"


def test_a_restart_serves_the_last_model_while_the_registry_is_down(
    agent: Agent,
    registry: FakeRegistry,
    torchserve: FakeTorchServe,
    server: TorchServe,
    store: ModelStore,
) -> None:
    registry.present = V1
    agent.step()
    torchserve.archives, torchserve.default, registry.is_down = {}, None, True
    with pytest.raises(RegistryUnavailable):
        Agent(registry, server, store, AgentOptions()).step()
    assert _served_version(server) == "1"


def test_a_restart_with_other_options_rebuilds_the_archive_without_the_registry(
    agent: Agent,
    registry: FakeRegistry,
    torchserve: FakeTorchServe,
    server: TorchServe,
    store: ModelStore,
) -> None:
    registry.present = V1
    agent.step()
    torchserve.archives, torchserve.default = {}, None
    options = AgentOptions(archive=ArchiveOptions(workers=2))
    Agent(registry, server, store, options).step()
    assert "minWorkers: 2" in (store.path(V1) / "model-config.yaml").read_text()
    assert registry.downloads == 1


def test_after_a_crash_the_next_agent_removes_the_old_version(
    agent: Agent,
    registry: FakeRegistry,
    server: TorchServe,
    store: ModelStore,
) -> None:
    for registry.present in (V1, V2):
        agent.step()
    server.management.register(V1.folder)
    Agent(registry, server, store, AgentOptions()).step()
    assert server.management.versions() == [V2.served_version]


def test_the_loop_survives_failures_and_logs_each_kind_once(
    agent: Agent,
    registry: FakeRegistry,
    torchserve: FakeTorchServe,
    server: TorchServe,
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Enough(Exception):
        """Ends the endless loop."""

    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        registry.is_down = len(pauses) < 3
        torchserve.is_down = len(pauses) < 5
        if len(pauses) == 8:
            raise Enough

    registry.present, registry.is_down, torchserve.is_down = V1, True, True
    with pytest.raises(Enough):
        agent.run(sleep)
    assert _served_version(server) == "1"
    assert pauses == [0.5, 1, 2, 4, 8, 5, 5, 5]
    warnings = [r.message for r in caplog.records if "Retrying" in r.message]
    assert len(warnings) == 2  # one of the registry, one of TorchServe


@pytest.mark.parametrize(("failures", "seconds"), [(0, 5), (1, 0.5), (2, 1), (4, 4), (20, 60)])
def test_pauses_grow_to_a_minute(failures: int, seconds: float) -> None:
    assert pause_seconds(failures, poll_seconds=5) == seconds
