"""A simulator and fetcher workers as real processes, and messages for them."""

import asyncio
import contextlib
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from celery import Celery

from euguess.collection.budget import BudgetLedger, Sum
from euguess.collection.layout import dataset_prefix, spec_key
from euguess.collection.ledger import Ledger
from euguess.collection.redis_connection import open_redis
from euguess.geography.boundaries import load_boundaries
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    FetchLocations,
    SlotKey,
    SlotOutcome,
    SlotRequest,
)
from euguess.messages.queues import Queue, TaskName
from euguess.process.ports import free_ports
from euguess.process.project import project_root, service_command
from euguess.settings import StoreSettings
from euguess.stack.processes import RunningServer, ServerSpec, started
from euguess.storage import ObjectStore, open_store
from services.sampler.candidates import CandidateSource

SPEC = DatasetSpec(name="demo", quotas={"FR": 60, "PL": 60}, size=160, seed=11)
LEASE_SECONDS = 3.0
CANARY = "canary-key"


@dataclass(frozen=True)
class Rig:
    """Addresses of the servers, and operations on them."""

    folder: Path
    redis_url: str
    store_settings: StoreSettings
    simulator_url: str
    settings: Mapping[str, str] = field(default_factory=dict)  # further variables of the services

    @contextlib.contextmanager
    def worker(
        self, concurrency: int = 1, command: Sequence[str] | None = None
    ) -> Iterator[RunningServer]:
        log = self.folder / f"fetcher-{secrets.token_hex(4)}.log"
        spec = ServerSpec(
            name="fetcher",
            argv=tuple(
                command or service_command("fetcher", "worker", "--concurrency", str(concurrency))
            ),
            ready=lambda: log.exists() and " ready." in log.read_text(errors="replace"),
            env=self.variables(),
            cwd=project_root(),
        )
        with started(spec, log) as server:
            yield server

    def variables(self) -> dict[str, str]:
        """Return the environment of the services."""
        store = self.store_settings
        return {
            "PYTHONPATH": f"{project_root()}:{project_root() / 'src'}",
            "EUGUESS_HOME": str(self.folder),
            "EUGUESS_REDIS_URL": self.redis_url,
            "EUGUESS_STORE_URL": store.store_url,
            "EUGUESS_S3_ENDPOINT": store.s3_endpoint,
            "EUGUESS_S3_ACCESS_KEY": store.s3_access_key,
            "EUGUESS_S3_SECRET_KEY": store.s3_secret_key.get_secret_value(),
            "EUGUESS_SIMULATOR_URL": self.simulator_url,
            "EUGUESS_SIMULATOR_KEY": CANARY,
            "EUGUESS_LEASE_SECONDS": str(LEASE_SECONDS),
            **self.settings,
        }

    def faults(self, *rules: dict[str, Any]) -> None:
        httpx.delete(f"{self.simulator_url}/faults").raise_for_status()
        httpx.post(f"{self.simulator_url}/faults", json=list(rules)).raise_for_status()

    def counters(self) -> dict[str, Any]:
        answer: dict[str, Any] = httpx.get(f"{self.simulator_url}/counters").json()
        return answer

    def reset(self) -> None:
        """Remove faults and counts."""
        self.faults()
        httpx.delete(f"{self.simulator_url}/counters").raise_for_status()

    @contextlib.asynccontextmanager
    async def ledger(self) -> AsyncIterator[Ledger]:
        async with open_redis(self.redis_url) as redis:
            yield Ledger(redis)

    async def open_account(self, budget: Budget | None = None, name: str = SPEC.name) -> None:
        """Open an account without spending, as the sampler does before it publishes."""
        async with open_redis(self.redis_url) as redis:
            accounts = BudgetLedger(redis)
            epoch = await accounts.prepare(name)
            assert await accounts.open(name, epoch, Sum(), budget)

    async def images_spent(self, name: str = SPEC.name) -> int:
        """Return the images in the account of a dataset."""
        async with open_redis(self.redis_url) as redis:
            spent = await BudgetLedger(redis).spent(name)
        assert spent is not None
        return spent.images

    async def is_idle(self) -> bool:
        """Every message has been processed."""
        async with open_redis(self.redis_url) as redis:
            return not await redis.llen(Queue.FETCH) and not await redis.hlen("unacked")

    async def open_store(self) -> ObjectStore:
        return await open_store(self.store_settings)

    def publish(self, message: FetchLocations) -> None:
        with Celery(broker=self.redis_url, set_as_current=False) as celery:
            celery.conf.task_ignore_result = True
            text = message.model_dump_json()
            celery.send_task(TaskName.FETCH_LOCATIONS, args=[text], queue=Queue.FETCH)


@contextlib.contextmanager
def running_simulator(folder: Path) -> Iterator[str]:
    """Run a simulator with coverage nearly everywhere; yield its address."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    options = ("--port", str(port), "--coverage", "0.8", "--key", CANARY)
    spec = ServerSpec(
        name="simulator",
        argv=tuple(service_command("simulator", *options)),
        ready=lambda: _answers(f"{url}/healthz"),
        env={"PYTHONPATH": str(project_root())},
        cwd=project_root(),
        ports=(port,),
    )
    with started(spec, folder / "simulator.log"):
        yield url


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=1).is_success
    except httpx.TransportError:
        return False


def message(slots: Sequence[SlotKey], spec: DatasetSpec = SPEC, fence: int = 1) -> FetchLocations:
    """Build a message with the first 16 candidates of each slot, as the sampler does."""
    source = CandidateSource(load_boundaries(), spec.border_buffer_km)
    requests = []
    for slot in slots:
        drawn = source.draw(
            slot.country_code, seed=spec.seed, slots=[slot.index], first=0, count=16
        )
        candidates = tuple((float(lat), float(lon)) for lat, lon in drawn[0])
        requests.append(SlotRequest(slot=slot, candidates=candidates, fence=fence))
    return FetchLocations(dataset=spec.name, slots=tuple(requests))


def slots(count: int) -> list[SlotKey]:
    """Return slots, half of them in France and half in Poland."""
    return [SlotKey(country_code=("FR", "PL")[n % 2], index=n // 2) for n in range(count)]


async def put_spec(store: ObjectStore, spec: DatasetSpec = SPEC) -> None:
    await store.put(spec_key(spec.name), spec.model_dump_json().encode())


async def image_keys(store: ObjectStore) -> list[str]:
    return sorted([key async for key in store.list(f"{dataset_prefix(SPEC.name)}images/")])


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
    """Poll until a condition holds; fail after a timeout."""
    deadline = time.monotonic() + seconds
    while not await condition():
        assert time.monotonic() < deadline, "the condition did not hold in time"
        await asyncio.sleep(0.05)


async def announced(ledger: Ledger) -> list[SlotOutcome]:
    """Return all outcomes announced so far."""
    events = await ledger.events("0-0", block_ms=1, count=10_000)
    return [outcome for _, outcome in events if outcome is not None]
