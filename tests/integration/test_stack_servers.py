"""Servers as child processes: settings, readiness, and stopping without leftovers."""

import asyncio
import os
import stat
import sys
from pathlib import Path

import psutil
import pytest
from pydantic import SecretStr
from redis import AuthenticationError, Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from euguess.errors import PortInUse, ServiceUnavailable
from euguess.process.ports import free_ports
from euguess.process.programs import SEAWEEDFS, find_program, find_redis
from euguess.settings import StoreSettings
from euguess.stack.processes import Ready, ServerSpec, start, started
from euguess.stack.servers import RedisServer, S3Server, redis_spec, s3_port_count, s3_spec
from euguess.storage import open_store
from euguess.storage.administration import ensure_bucket

# Starts a child and ignores SIGTERM, like a server that hangs during shutdown.
STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"
subprocess.Popen([sys.executable, "-c", child])
print("up", flush=True)
time.sleep(600)
"""
# Exits at once on SIGTERM and leaves its child running.
CARELESS = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("up", flush=True)
time.sleep(600)
"""


def python_spec(code: str, ready: Ready = lambda: True) -> ServerSpec:
    return ServerSpec(
        name="sample",
        argv=(sys.executable, "-c", code),
        ready=ready,
        ready_seconds=20.0,
        stop_seconds=0.5,
    )


def redis_in(folder: Path, password: str | None = None) -> RedisServer:
    return RedisServer(
        program=find_redis(),
        port=free_ports(1)[0],
        data=folder / "data",
        password=None if password is None else SecretStr(password),
    )


def s3_in(folder: Path) -> S3Server:
    program = find_program(SEAWEEDFS)
    return S3Server(
        program=program,
        ports=free_ports(s3_port_count(program)),
        data=folder / "data",
        access_key="some-access-key",
        secret_key=SecretStr("some-secret-key"),
    )


def group_members(group: int) -> list[int]:
    """Return the live processes of a group."""
    members = []
    for process in psutil.process_iter(["status"]):
        try:
            if os.getpgid(process.pid) == group and process.info["status"] != "zombie":
                members.append(process.pid)
        except ProcessLookupError:
            continue
    return members


def unix_sockets(ports: tuple[int, ...]) -> list[Path]:
    return [path for port in ports for path in Path("/tmp").glob(f"seaweedfs-*{port}.sock")]


def test_redis_is_configured_to_keep_accepted_data(redis_url: str) -> None:
    with Redis.from_url(redis_url, decode_responses=True) as client:
        names = ("appendonly", "appendfsync", "maxmemory-policy", "bind")
        settings = [client.config_get(name)[name] for name in names]
    assert settings == ["yes", "everysec", "noeviction", "127.0.0.1"]


def test_redis_requires_its_password_which_is_not_on_the_command_line(tmp_path: Path) -> None:
    server = redis_in(tmp_path, password='pass "word"')
    with started(redis_spec(server), tmp_path / "redis.log") as running:
        assert Redis.from_url(server.url.get_secret_value()).ping()
        with pytest.raises(AuthenticationError):
            Redis(port=server.port, retry=Retry(NoBackoff(), 0)).ping()
        assert "word" not in " ".join(psutil.Process(running.pid).cmdline())


def test_redis_keeps_its_data_across_a_restart(tmp_path: Path) -> None:
    server = redis_in(tmp_path)
    for value in (None, b"kept"):
        with started(redis_spec(server), tmp_path / "redis.log"), Redis(port=server.port) as client:
            assert client.get("key") == value
            client.set("key", "kept")


def test_the_s3_server_keeps_its_objects_across_a_restart_on_other_ports(tmp_path: Path) -> None:
    for is_first in (True, False):
        server = s3_in(tmp_path)
        settings = StoreSettings(
            store_url="s3://kept",
            s3_endpoint=server.endpoint,
            s3_access_key=server.access_key,
            s3_secret_key=server.secret_key,
        )
        with started(s3_spec(server), tmp_path / "s3.log"):
            assert ensure_bucket(settings) == is_first
            assert asyncio.run(create_and_get(settings)) == (is_first, b"bytes")


async def create_and_get(settings: StoreSettings) -> tuple[bool, bytes]:
    store = await open_store(settings)
    return await store.create("key", b"bytes"), await store.get("key")


def test_the_s3_server_is_private_to_this_user_and_machine(tmp_path: Path) -> None:
    server = s3_in(tmp_path)
    with started(s3_spec(server), tmp_path / "s3.log") as running:
        process = psutil.Process(running.pid)
        listening = {
            connection.laddr
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert "some-secret-key" not in " ".join(process.cmdline())
        assert unix_sockets(server.ports)
    assert not unix_sockets(server.ports)  # removed with the server
    assert {address.ip for address in listening} == {"127.0.0.1"}
    assert {address.port for address in listening} == set(server.ports)
    assert stat.S_IMODE((server.data / "s3.json").stat().st_mode) == 0o600


def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, redis_server: str) -> None:
    port = int(redis_server.rsplit(":", 1)[1].split("/")[0])
    spec = redis_spec(RedisServer(program=find_redis(), port=port, data=tmp_path / "data"))
    with pytest.raises(PortInUse, match=f"Port {port}, which redis needs"):
        start(spec, tmp_path / "redis.log")
    assert not (tmp_path / "data").exists()


def test_a_server_that_ends_early_is_reported_with_the_end_of_its_log(tmp_path: Path) -> None:
    spec = python_spec("print('no such dial'); raise SystemExit(3)", ready=lambda: False)
    with (
        pytest.raises(ServiceUnavailable, match=r"(?s)exit code 3.*no such dial"),
        started(spec, tmp_path / "sample.log"),
    ):
        pass


def test_a_server_that_is_never_ready_is_stopped_and_reported(tmp_path: Path) -> None:
    spec = ServerSpec(
        name="sample",
        argv=(sys.executable, "-c", "import time; time.sleep(600)"),
        ready=lambda: False,
        ready_seconds=0.2,
    )
    server = start(spec, tmp_path / "sample.log")
    with pytest.raises(ServiceUnavailable, match=r"not ready after 0\.2 seconds"):
        server.wait_ready()
    server.stop()
    assert group_members(server.pid) == []


def test_a_program_that_cannot_be_executed_is_reported(tmp_path: Path) -> None:
    spec = ServerSpec(name="sample", argv=(str(tmp_path / "absent"),), ready=lambda: True)
    with pytest.raises(ServiceUnavailable, match="Could not start sample"):
        start(spec, tmp_path / "sample.log")


@pytest.mark.parametrize("code", [STUBBORN, CARELESS], ids=["stubborn", "careless"])
def test_stopping_leaves_no_process_of_the_group(code: str, tmp_path: Path) -> None:
    log = tmp_path / "sample.log"

    async def is_up() -> bool:
        return "up" in log.read_text()

    with started(python_spec(code, ready=is_up), log) as server:
        assert len(group_members(server.pid)) == 2
    assert group_members(server.pid) == []


def test_ctrl_c_in_the_terminal_does_not_reach_a_server(tmp_path: Path) -> None:
    with started(python_spec("import time; time.sleep(600)"), tmp_path / "log") as server:
        assert os.getpgid(server.pid) != os.getpgid(0)
        assert os.getsid(server.pid) == server.pid
