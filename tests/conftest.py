"""Fixtures for all tests: a clean environment, real servers on free ports, the photo collection."""

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from redis import Redis

from euguess.errors import ProgramMissing
from euguess.process.ports import free_ports
from euguess.process.programs import MINIO, SEAWEEDFS, Program, find_program, find_redis
from euguess.settings import ENV_PREFIX, StoreSettings, child_environment
from euguess.stack.processes import started
from euguess.stack.servers import RedisServer, S3Server, redis_spec, s3_port_count, s3_spec
from euguess.storage import ObjectStore, open_store
from euguess.storage.administration import ensure_bucket
from euguess.storage.local import memory_store as new_memory_store
from tests.support.requirements import Requirement, skip_without, skipped_line

pytest.register_assert_rewrite(
    "tests.support.store_contract",
    "tests.support.ledger_contract",
    "tests.support.leader_lease_contract",
)

PROJECT_ROOT = Path(__file__).resolve().parents[1]
PHOTOS = PROJECT_ROOT.parent / "shared" / "data"


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> Iterator[None]:
    """Close the summary with one line on the tests that were skipped for lack of a program."""
    yield
    line = skipped_line(report.longrepr[2] for report in terminalreporter.getreports("skipped"))
    if line is not None:
        terminalreporter.write_line(line, yellow=True)


@pytest.fixture(autouse=True, scope="session")
def _clean_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No EUGUESS_* of the developer's shell reaches a test, nor a server that tests start."""
    with pytest.MonkeyPatch.context() as patch:
        for name in child_environment():
            if name.startswith(ENV_PREFIX):
                patch.delenv(name)
        patch.setenv("EUGUESS_HOME", str(tmp_path_factory.mktemp("session-home")))
        yield


@pytest.fixture(autouse=True)
def home(
    _clean_session: None, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """EUGUESS_HOME of this test; the folder does not exist yet."""
    folder = tmp_path_factory.getbasetemp() / "homes" / secrets.token_hex(8)
    monkeypatch.setenv("EUGUESS_HOME", str(folder))
    return folder


@pytest.fixture
def free_port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """URL of a real Redis with the settings of the local stack."""
    folder = tmp_path_factory.mktemp("redis")
    server = RedisServer(program=find_redis(), port=free_ports(1)[0], data=folder / "data")
    with started(redis_spec(server), folder / "redis.log"):
        yield server.url.get_secret_value()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """URL of a real Redis, emptied for this test."""
    with Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


def _run_s3_server(program: Program, folder: Path) -> Iterator[StoreSettings]:
    server = S3Server(
        program=program,
        ports=free_ports(s3_port_count(program)),
        data=folder / "data",
        access_key="test-access-key",
        secret_key=SecretStr(secrets.token_hex(16)),
    )
    spec = replace(s3_spec(server), stop_seconds=0.5)  # nothing in it is worth a slow goodbye
    with started(spec, folder / f"{program.name}.log"):
        yield StoreSettings(
            store_url="s3://euguess",
            s3_endpoint=server.endpoint,
            s3_access_key=server.access_key,
            s3_secret_key=server.secret_key,
        )


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    """Settings of a real S3 server (SeaweedFS); their bucket does not exist."""
    yield from _run_s3_server(find_program(SEAWEEDFS), tmp_path_factory.mktemp("seaweedfs"))


@pytest.fixture(scope="session")
def minio_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreSettings]:
    """Settings of a real MinIO, whose root account they hold; their bucket does not exist."""
    try:
        program = find_program(MINIO)
    except ProgramMissing as missing:
        skip_without(Requirement.MINIO, str(missing))
    yield from _run_s3_server(program, tmp_path_factory.mktemp("minio"))


def _with_fresh_bucket(server: StoreSettings) -> StoreSettings:
    settings = server.model_copy(update={"store_url": f"s3://test-{secrets.token_hex(8)}"})
    ensure_bucket(settings)
    return settings


@pytest.fixture
def store_settings(s3_server: StoreSettings) -> StoreSettings:
    """Settings of an empty bucket on a real S3 server."""
    return _with_fresh_bucket(s3_server)


@pytest.fixture
def minio_settings(minio_server: StoreSettings) -> StoreSettings:
    """Settings of an empty bucket on a real MinIO."""
    return _with_fresh_bucket(minio_server)


@pytest.fixture
async def s3_store(store_settings: StoreSettings) -> ObjectStore:
    """An empty store on a real S3 server."""
    return await open_store(store_settings)


@pytest.fixture
def memory_store() -> ObjectStore:
    return new_memory_store()


@pytest.fixture
def photos() -> Path:
    """The shared collection of real photos beside the checkout."""
    if not PHOTOS.is_dir():
        skip_without(Requirement.PHOTOS, f"{PHOTOS} does not exist")
    return PHOTOS
