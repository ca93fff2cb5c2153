"""The sampler as a process, with a real Redis, a real S3 server and a real Celery worker."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import httpx
import pytest
from redis import Redis

from euguess.clients import SamplerClient
from euguess.collection.layout import slots_prefix
from euguess.collection.ledger import DEAD_LETTERS
from euguess.errors import DatasetConflict, ServiceUnavailable
from euguess.messages.collection import (
    DatasetSpec,
    DatasetState,
    DatasetStatus,
)
from euguess.messages.queues import Queue
from euguess.process.ports import free_ports
from euguess.process.programs import find_redis
from euguess.process.project import service_command
from euguess.settings import StoreSettings, child_environment
from euguess.stack.processes import RunningServer, ServerSpec, start
from euguess.stack.servers import RedisServer, http_ready, redis_spec
from euguess.storage import ObjectStore, open_store

ROOT = Path(__file__).resolve().parents[2]
SPEC = DatasetSpec(name="demo", quotas={"FR": 120, "PL": 80}, max_candidates=16)
WAIT_SECONDS = 150.0  # 60 was too short on a busy machine


@dataclass
class Stack:
    """Servers of one test; each can be killed and started again."""

    folder: Path
    redis: RedisServer
    store_settings: StoreSettings
    port: int = field(default_factory=lambda: free_ports(1)[0])
    running: dict[str, RunningServer] = field(default_factory=dict)
    transport: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def client(self) -> SamplerClient:
        return SamplerClient(self.url, self.transport)

    @cached_property
    def redis_client(self) -> Redis:
        return Redis.from_url(self.redis.url.get_secret_value())

    def start_redis(self) -> None:
        self._start(redis_spec(self.redis))

    def start_sampler(self, ready_path: str = "/readyz", **variables: str) -> None:
        self._start(
            ServerSpec(
                name="sampler",
                argv=tuple(service_command("sampler", "--port", str(self.port))),
                ready=http_ready(f"{self.url}{ready_path}"),
                env={**self.variables(), **variables},
                cwd=ROOT,
                ports=(self.port,),
            )
        )

    def start_worker(self, script: str = "stored") -> None:
        argv = (sys.executable, "-m", "tests.support.sampler_worker", script)
        spec = ServerSpec(name="worker", argv=argv, ready=lambda: True, env=self.variables())
        self._start(replace(spec, cwd=ROOT))

    def kill(self, name: str) -> None:
        os.killpg(self.running[name].pid, signal.SIGKILL)
        self.running.pop(name).stop()

    def keep_worker(self) -> None:
        """Restart a worker that ended, as every supervisor of fetchers does.

        A Celery worker exits if it loses Redis during an acknowledgement.
        """
        worker = self.running.get("worker")
        if worker is not None and worker.exit_code is not None:
            worker.stop()
            self._start(worker.spec)

    def stop(self) -> None:
        self.transport.close()
        self.redis_client.close()
        for server in reversed(list(self.running.values())):
            server.stop()

    def _start(self, spec: ServerSpec) -> None:
        self.running[spec.name] = start(spec, self.folder / f"{spec.name}.log")
        self.running[spec.name].wait_ready()

    def variables(self) -> dict[str, str]:
        store = self.store_settings
        return {
            "EUGUESS_REDIS_URL": self.redis.url.get_secret_value(),
            "EUGUESS_STORE_URL": store.store_url,
            "EUGUESS_S3_ENDPOINT": store.s3_endpoint,
            "EUGUESS_S3_ACCESS_KEY": store.s3_access_key,
            "EUGUESS_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
            "EUGUESS_LEASE_SECONDS": "2",
            "EUGUESS_BACKOFF_SECONDS": "0.1",
            "EUGUESS_OUTSTANDING_LIMIT": "40",
            "PYTHONPATH": f"{ROOT}:{ROOT / 'src'}",
        }


@pytest.fixture
def stack(tmp_path: Path, store_settings: StoreSettings) -> Iterator[Stack]:
    redis = RedisServer(program=find_redis(), port=free_ports(1)[0], data=tmp_path / "redis")
    stack = Stack(tmp_path, redis, store_settings)
    try:
        stack.start_redis()
        yield stack
    finally:
        stack.stop()


def logs(stack: Stack) -> str:
    """Return the last log lines of all servers of a stack."""
    return "\n".join(path.read_text()[-3000:] for path in sorted(stack.folder.glob("*.log")))


def wait_for(
    stack: Stack, is_reached: Callable[[DatasetStatus], bool], name: str = "demo"
) -> DatasetStatus:
    """Poll the status until a condition holds; its counts add up each time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        stack.keep_worker()
        with contextlib.suppress(ServiceUnavailable):
            status = stack.client.status(name)
            assert status.total.requested == status.spec.requested
            if is_reached(status):
                return status
        assert time.monotonic() < deadline, logs(stack)
        time.sleep(0.1)


def is_complete(status: DatasetStatus) -> bool:
    return status.state is DatasetState.COMPLETE


def some_stored(status: DatasetStatus) -> bool:
    return status.total.stored >= 20


async def stored_slots_of(settings: StoreSettings, name: str = "demo") -> int:
    store: ObjectStore = await open_store(settings)
    return len([key async for key in store.list(slots_prefix(name))])


def test_a_dataset_is_collected_through_a_real_queue(stack: Stack) -> None:
    stack.start_sampler()
    stack.start_worker()
    stack.client.create(SPEC)
    assert stack.client.create(SPEC).state is DatasetState.COLLECTING
    with pytest.raises(DatasetConflict):
        stack.client.create(SPEC.model_copy(update={"seed": 9}))
    status = wait_for(stack, is_complete)
    assert (status.total.stored, status.images) == (200, 600)
    assert stack.redis_client.llen(Queue.FETCH) == 0


async def test_two_datasets_without_coverage_and_with_a_bad_slot_end(stack: Stack) -> None:
    stack.start_sampler(EUGUESS_MAX_FAILURES="2")
    stack.start_worker("retry:3")
    stack.client.create(SPEC.model_copy(update={"quotas": {"FR": 20}}))
    stack.client.create(SPEC.model_copy(update={"name": "other", "quotas": {"PL": 20}}))
    assert wait_for(stack, is_complete).total.failed == 1
    assert wait_for(stack, is_complete, "other").total.failed == 1
    assert stack.redis_client.llen(DEAD_LETTERS) == 2
    assert {letter.source for letter in stack.client.dead_letters()} == {"sampler"}
    assert await stored_slots_of(stack.store_settings) == 20


def test_places_without_coverage_end_as_no_coverage(stack: Stack) -> None:
    stack.start_sampler()
    stack.start_worker("exhausted")
    stack.client.create(SPEC.model_copy(update={"quotas": {"FR": 30}}))
    status = wait_for(stack, is_complete)
    assert (status.total.no_coverage, status.rejections) == (30, {"no_imagery": 480})


async def test_a_killed_redis_a_killed_sampler_and_a_killed_worker_lose_no_slot(
    stack: Stack,
) -> None:
    stack.start_sampler()
    stack.start_worker()
    stack.client.create(SPEC)
    wait_for(stack, some_stored)
    stack.kill("redis")
    with pytest.raises(ServiceUnavailable, match="Redis does not accept"):
        stack.client.create(SPEC.model_copy(update={"name": "refused"}))
    assert httpx.get(f"{stack.url}/readyz").status_code == 503
    assert stack.client.status("demo").total.requested == 200
    stack.start_redis()
    wait_for(stack, lambda status: status.total.stored >= 60)
    stack.kill("sampler")
    stack.start_sampler()
    stack.kill("worker")
    stack.start_worker()
    status = wait_for(stack, is_complete)
    assert (status.total.stored, status.total.failed) == (200, 0)
    assert await stored_slots_of(stack.store_settings) == 200
    assert [s.spec.name for s in stack.client.datasets()] == ["demo"]


def test_redis_is_refilled_after_it_lost_all_data(stack: Stack) -> None:
    stack.start_sampler()
    stack.start_worker()
    stack.client.create(SPEC)
    wait_for(stack, some_stored)
    stack.redis_client.flushall()
    assert wait_for(stack, is_complete).total.stored == 200
    assert stack.redis_client.hlen("euguess:outcomes:demo") == 200


def test_redis_is_refilled_after_it_restarts_empty(stack: Stack) -> None:
    stack.start_sampler()
    stack.start_worker()
    stack.client.create(SPEC)
    wait_for(stack, some_stored)
    stack.kill("redis")
    for file in sorted(stack.redis.data.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()
    stack.start_redis()
    assert wait_for(stack, is_complete).total.stored == 200


def test_a_stopped_dataset_resumes_only_when_posted_again(stack: Stack) -> None:
    stack.start_sampler()
    stack.start_worker()
    stack.client.create(SPEC)
    wait_for(stack, some_stored)
    assert stack.client.stop("demo").state is DatasetState.STOPPED
    stack.kill("sampler")
    stack.start_sampler()
    stopped = stack.client.status("demo")
    assert (stopped.state, stopped.total.pending > 0) == (DatasetState.STOPPED, True)
    assert stack.client.create(SPEC).state is DatasetState.COLLECTING
    assert wait_for(stack, is_complete).total.stored == 200


def test_without_fetchers_the_queue_stops_growing(stack: Stack) -> None:
    limit = 4
    few = SPEC.model_copy(update={"quotas": {"FR": 3, "PL": 3}})
    settings = {"OUTSTANDING_LIMIT": str(limit), "LEASE_SECONDS": "0.2", "RECONCILE_SECONDS": "0.1"}
    stack.start_sampler(**{f"EUGUESS_{name}": value for name, value in settings.items()})
    stack.client.create(few)
    longest = 0
    for _ in range(30):  # enough for ten messages without the limit
        time.sleep(0.1)
        longest = max(longest, stack.redis_client.llen(Queue.FETCH))
    assert longest == limit
    stack.start_worker()
    assert wait_for(stack, is_complete).total.stored == 6


def test_a_full_redis_accepts_no_dataset(stack: Stack) -> None:
    stack.start_sampler()
    stack.redis_client.config_set("maxmemory", "1")
    with pytest.raises(ServiceUnavailable, match="Redis does not accept"):
        stack.client.create(SPEC)
    stack.redis_client.config_set("maxmemory", "0")
    assert stack.client.create(SPEC).total.pending == 200


def test_a_store_that_is_down_at_the_start_is_reported_in_one_line(stack: Stack) -> None:
    ended = _run(stack, {"EUGUESS_S3_ENDPOINT": f"http://127.0.0.1:{free_ports(1)[0]}"})
    assert ended.returncode == 1
    assert ended.stderr.startswith("sampler: The ")
    assert "EUGUESS_S3_ENDPOINT" in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_sampler_ends_soon_while_a_request_is_half_sent(
    stack: Stack, number: signal.Signals
) -> None:
    stack.start_sampler()
    sampler = stack.running["sampler"]
    with socket.create_connection(("127.0.0.1", stack.port)) as connection:
        head = "POST /datasets HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        connection.sendall(f"{head}Content-Length: 99\r\n\r\n{{".encode())
        asked = time.monotonic()
        os.kill(sampler.pid, number)
        while sampler.exit_code is None:
            assert time.monotonic() - asked < 10
            time.sleep(0.05)


def test_the_sampler_ends_soon_while_redis_hangs(stack: Stack) -> None:
    stack.start_sampler()
    sampler, redis = stack.running["sampler"], stack.running["redis"]
    os.kill(redis.pid, signal.SIGSTOP)
    try:
        asked = time.monotonic()
        os.kill(sampler.pid, signal.SIGTERM)
        while sampler.exit_code is None:
            assert time.monotonic() - asked < 10
            time.sleep(0.05)
    finally:
        os.kill(redis.pid, signal.SIGCONT)


def _run(stack: Stack, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        service_command("sampler", "--port", str(stack.port)),
        env=child_environment(**{**stack.variables(), **variables}),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )
