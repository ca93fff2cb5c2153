"""Supervision of servers: restarted when they exit, stopped with the stack."""

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from euguess.errors import PortInUse
from euguess.stack import supervised as supervised_module
from euguess.stack.processes import ServerSpec, start
from euguess.stack.servers import http_ready, http_responds
from euguess.stack.state import (
    end_stack,
    publish_addresses,
    record_processes,
    remove_state,
    running_stack,
    stack_troubles,
)
from euguess.stack.supervisor import Supervisor, supervised

SLEEPER = "import time; print('up', flush=True); time.sleep(600)"


def sleeper(name: str = "sleeper", code: str = SLEEPER) -> ServerSpec:
    argv = (sys.executable, "-c", code)
    return ServerSpec(name=name, argv=argv, ready=lambda: True, stop_seconds=0.5)


def eventually(is_true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.05)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(tmp_path: Path, said: list[str]) -> Iterator[Supervisor]:
    made = Supervisor(tmp_path, said.append, lambda *_: None, unhealthy_seconds=0.5)
    yield made
    made.stop_all()


def test_a_killed_server_is_restarted(supervisor: Supervisor, said: list[str]) -> None:
    with supervised(supervisor, [lambda: [sleeper()]]):
        first = supervisor.pids()["sleeper"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: supervisor.pids().get("sleeper", first) != first)
        second = supervisor.pids()["sleeper"]
    assert any("exit code -9" in line for line in said)
    assert not psutil.pid_exists(second)


def test_a_server_that_keeps_ending_leaves_the_others_running(
    tmp_path: Path, said: list[str]
) -> None:
    supervisor = Supervisor(
        tmp_path,
        said.append,
        lambda servers, troubles: record_processes(tmp_path, servers, troubles),
        first_delay_seconds=0.001,
    )
    with supervised(supervisor, [lambda: [sleeper(), sleeper("crashing", code="pass")]]):
        healthy = supervisor.pids()["sleeper"]
        eventually(lambda: "ended 5 times" in stack_troubles(tmp_path).get("crashing", ""))
        assert supervisor.pids()["sleeper"] == healthy
        assert set(stack_troubles(tmp_path)) == {"crashing"}
    assert any("crashing" in line and "keeps ending" in line for line in said)


def test_a_server_that_does_not_respond_is_replaced(
    supervisor: Supervisor, said: list[str], free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervised_module, "HEALTH_SECONDS", 0.1)
    is_served = http_ready(f"http://127.0.0.1:{free_port}")
    argv = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(free_port))
    spec = ServerSpec(
        name="web",
        argv=argv,
        ready=is_served,
        healthy=http_responds(f"http://127.0.0.1:{free_port}"),
        stop_seconds=0.5,
    )
    with supervised(supervisor, [lambda: [spec]]):
        first = supervisor.pids()["web"]
        os.kill(first, signal.SIGSTOP)
        eventually(lambda: supervisor.pids().get("web", first) != first)
        eventually(is_served)
        assert not psutil.pid_exists(first)
    assert any("web has not responded" in line for line in said)


def test_a_server_that_cannot_be_started_again_is_retried(
    supervisor: Supervisor, said: list[str], free_port: int
) -> None:
    spec = replace(sleeper(), ports=(free_port,))
    with supervised(supervisor, [lambda: [spec]]), socket.socket() as occupant:
        occupant.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        occupant.bind(("127.0.0.1", free_port))
        occupant.listen()
        first = supervisor.pids()["sleeper"]
        os.kill(first, signal.SIGKILL)
        eventually(lambda: any("could not be started" in line for line in said))
        occupant.close()
        eventually(lambda: supervisor.pids().get("sleeper", first) != first)


def test_a_failing_stage_stops_the_earlier_ones(supervisor: Supervisor) -> None:
    pids: list[int] = []

    def second_stage() -> list[ServerSpec]:
        pids.append(supervisor.pids()["sleeper"])
        raise PortInUse

    with pytest.raises(PortInUse), supervised(supervisor, [lambda: [sleeper()], second_stage]):
        pass
    assert not psutil.pid_exists(pids[0])


def test_leftovers_of_a_killed_stack_are_stopped(tmp_path: Path) -> None:
    server = start(sleeper(), tmp_path / "log")
    record_processes(tmp_path, {"sleeper": server.pid}, {})
    state = (tmp_path / "stack.json").read_text()
    own_pid, gone_pid = f'"euguess": {os.getpid()},', '"euguess": 99999999,'
    (tmp_path / "stack.json").write_text(state.replace(own_pid, gone_pid, 1))
    assert running_stack(tmp_path) is None
    assert end_stack(tmp_path)
    eventually(lambda: server.exit_code == -signal.SIGKILL)
    assert not end_stack(tmp_path)


def test_a_reused_process_id_is_not_ours(tmp_path: Path) -> None:
    record_processes(tmp_path, {}, {})
    path = tmp_path / "stack.json"
    state = json.loads(path.read_text())
    state["started"]["euguess"] -= 60
    path.write_text(json.dumps(state))
    assert running_stack(tmp_path) is None


def test_only_the_owner_can_read_addresses_and_passwords(tmp_path: Path) -> None:
    publish_addresses(tmp_path, {"EUGUESS_REDIS_URL": "redis://:secret@127.0.0.1:1/0"})
    assert (tmp_path / "stack.env").stat().st_mode & 0o777 == 0o600
    remove_state(tmp_path)
    assert not (tmp_path / "stack.env").exists()
