"""Fakes of the sampler's dependencies, and fetchers that follow a script."""

import functools
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field, replace

import shapely
from fastapi import FastAPI
from redis.exceptions import ConnectionError as RedisConnectionError

from euguess.access.policy import AccessPolicy
from euguess.clock import utc_now
from euguess.collection.layout import slot_key
from euguess.errors import ServiceUnavailable, StoreUnavailable
from euguess.geography.boundaries import Boundaries
from euguess.messages.collection import (
    DatasetState,
    DatasetStatus,
    FetchLocations,
    SlotKey,
    SlotOutcome,
    SlotRequest,
    SlotStatus,
)
from euguess.messages.training import TrainRun
from euguess.storage import ObjectStore
from euguess.storage.local import memory_store
from euguess.testing.budget import InMemoryBudgetLedger
from euguess.testing.ledger import InMemoryLedger
from services.sampler.app import create_app
from services.sampler.budgets import Budgets
from services.sampler.candidates import SlotCandidates
from services.sampler.controller import CollectionController, Limits
from services.sampler.duty import Duty
from services.sampler.leadership import LeaderLease
from services.sampler.publisher import SlotPublisher
from services.sampler.recovery import recover
from services.sampler.service import SamplerService
from services.sampler.trainings import Trainings


def squares() -> Boundaries:
    """Return three square countries side by side, with ten degrees of sea between them."""
    lons = {"FR": 0, "PL": 15, "DE": 30}
    return Boundaries({code: shapely.box(lon, 45, lon + 5, 50) for code, lon in lons.items()})


@functools.cache
def slot_candidates() -> SlotCandidates:
    """Return cached candidates, since preparing countries is slow; draws have no state."""
    return SlotCandidates(squares())


def outcome_of(
    dataset: str, request: SlotRequest, status: SlotStatus, reason: str | None = None
) -> SlotOutcome:
    """Build an outcome as a fetcher sends it."""
    is_stored = status is SlotStatus.STORED
    return SlotOutcome(
        dataset=dataset,
        slot=request.slot,
        fence=request.fence,
        status=status,
        reason=reason,
        location_id=f"fake-{request.slot}" if is_stored else None,
        candidates_tried=len(request.candidates),
        rejections={} if is_stored else {"no_imagery": len(request.candidates)},
        images=3 if is_stored else 0,
        bytes=300 if is_stored else 0,
        finished_at=utc_now(),
    )


class FakePublisher:
    """Keeps published messages."""

    def __init__(self) -> None:
        self.messages: list[FetchLocations] = []
        self.trainings: list[TrainRun] = []
        self.is_down = False

    def publish(self, message: FetchLocations) -> None:
        self.messages.append(message)

    def publish_training(self, order: TrainRun) -> None:
        if self.is_down:
            raise ServiceUnavailable("The broker does not accept messages.")
        self.trainings.append(order)

    def take(self) -> list[FetchLocations]:
        taken, self.messages = self.messages, []
        return taken


Answer = Callable[[SlotRequest], SlotStatus | None]


def always(status: SlotStatus | None) -> Answer:
    return lambda _: status


@dataclass
class FakeFetchers:
    """Handles messages by a script: a status, or None for a fetcher that dies."""

    store: ObjectStore
    ledger: InMemoryLedger
    answer: Answer = field(default_factory=lambda: always(SlotStatus.STORED))
    lease_seconds: float = 120.0
    reason: str | None = None  # of all outcomes
    begun: list[tuple[str, SlotRequest]] = field(default_factory=list)
    owners: dict[SlotKey, str] = field(default_factory=dict)

    async def work(self, messages: Iterable[FetchLocations]) -> None:
        for message in messages:
            for request in message.slots:
                await self._work_on(message.dataset, request)

    async def finish(self, dataset: str, request: SlotRequest) -> None:
        """Store a slot that was begun and left unanswered."""
        await self._end(dataset, request, SlotStatus.STORED)

    async def renew(self, dataset: str, request: SlotRequest) -> bool:
        """Renew the lease of a slot that was begun; False if it has been taken over."""
        owner, seconds = self.owners[request.slot], self.lease_seconds
        return await self.ledger.renew(dataset, request.slot, request.fence, owner, seconds)

    async def _work_on(self, dataset: str, request: SlotRequest) -> None:
        slot, owner = request.slot, secrets.token_hex(8)
        fences = {slot: request.fence}
        if not await self.ledger.begin(dataset, fences, owner, self.lease_seconds):
            return
        self.begun.append((dataset, request))
        self.owners[slot] = owner
        status = self.answer(request)
        if status is not None:
            await self._end(dataset, request, status)

    async def _end(self, dataset: str, request: SlotRequest, status: SlotStatus) -> None:
        slot = request.slot
        outcome = outcome_of(dataset, request, status, reason=self.reason or f"scripted {status}")
        if status.is_final:
            body = outcome.model_dump_json().encode()
            if not await self.store.create(slot_key(dataset, slot), body):
                stored = await self.store.get(slot_key(dataset, slot))
                outcome = SlotOutcome.model_validate_json(stored)
        await self.ledger.record(outcome)


class FlakyStore:
    """A store in memory that raises while `is_down`."""

    def __init__(self) -> None:
        self.is_down = False
        self._inner = memory_store()

    async def put(self, key: str, data: bytes) -> None:
        await self._checked().put(key, data)

    async def create(self, key: str, data: bytes) -> bool:
        return await self._checked().create(key, data)

    async def get(self, key: str, *, sha256: str | None = None) -> bytes:
        return await self._checked().get(key, sha256=sha256)

    async def exists(self, key: str) -> bool:
        return await self._checked().exists(key)

    async def folders(self, prefix: str) -> list[str]:
        return await self._checked().folders(prefix)

    def list(self, prefix: str) -> AsyncIterator[str]:
        return self._checked().list(prefix)

    async def delete(self, key: str) -> None:
        await self._checked().delete(key)

    def _checked(self) -> ObjectStore:
        if self.is_down:
            raise StoreUnavailable
        return self._inner


class FakeLeaderLease(LeaderLease):
    """The lease of the leading sampler in memory, with a clock that tests can move."""

    def __init__(self) -> None:
        self.is_down = False
        self.now = 0.0
        self.value: tuple[str, float] | None = None

    async def claim(self, sampler: str, seconds: float) -> tuple[str, str]:
        if self.is_down:
            raise RedisConnectionError("refused")
        leader, expires_at = self.value or ("", 0.0)
        if leader not in ("", sampler) and expires_at > self.now:
            return leader, leader
        self.value = (sampler, self.now + seconds)
        return sampler, leader

    async def release(self, sampler: str) -> None:
        if self.value is not None and self.value[0] == sampler:
            self.value = (sampler, 0.0)


class OnDuty(Duty):
    """The duty of a sampler that is alone; its collections are restored by the test."""

    def __init__(self) -> None:
        pass

    def why_not(self) -> str | None:
        return None


class World:
    """A sampler with fakes; it can be restarted while the fakes keep their state."""

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        lease_seconds: float = 120.0,
        tend_complete: Callable[[Iterable[str]], None] = lambda names: None,
    ) -> None:
        self.tend_complete = tend_complete
        self.lease_seconds = lease_seconds
        self.limits = replace(limits or Limits(reconcile_seconds=0), lease_seconds=lease_seconds)
        self.policy = AccessPolicy()
        self.training_queue_limit = 100
        self.store = FlakyStore()
        self.ledger = InMemoryLedger()
        self.accounts = InMemoryBudgetLedger()
        self.budgets = Budgets(self.store, self.accounts)
        self.publisher = FakePublisher()
        self.fetchers = FakeFetchers(self.store, self.ledger)
        self.service = self.start()

    @property
    def controller(self) -> CollectionController:
        return self.service.controller

    @property
    def app(self) -> FastAPI:
        return create_app(self.service, self.trainings, self.policy)

    @property
    def trainings(self) -> Trainings:
        return Trainings(self.service, self.publisher, self.training_queue_limit)

    def start(self) -> SamplerService:
        """Create a sampler without any state, as after a restart."""
        controller = CollectionController(
            self.store,
            self.ledger,
            SlotPublisher(self.ledger, self.publisher, slot_candidates(), self.lease_seconds),
            self.budgets,
            self.limits,
            self._clock,
            tend_complete=self.tend_complete,
        )
        self.service = SamplerService(
            self.store, self.ledger, self.budgets, controller, slot_candidates(), OnDuty()
        )
        return self.service

    async def restart(self) -> None:
        self.start()
        await recover(self.store, self.ledger, self.budgets, self.controller)

    def wait(self, seconds: float) -> None:
        """Advance the clocks of the sampler and of leases."""
        self.ledger.skew_ms += int(seconds * 1000)

    def lose_redis(self) -> None:
        """Lose all data and all queued messages."""
        self.ledger.wipe()
        self.accounts.wipe()
        self.publisher.take()

    def status(self, name: str = "demo") -> DatasetStatus:
        return self.controller.status(name)

    async def round(self) -> list[FetchLocations]:
        """Let the sampler publish and the fetchers answer; return the messages."""
        await self.controller.round()
        messages = self.publisher.take()
        await self.fetchers.work(messages)
        return messages

    async def run(
        self, name: str = "demo", *, rounds: int = 300, step_seconds: float = 0
    ) -> DatasetStatus:
        """Run rounds until a dataset is complete."""
        for _ in range(rounds):
            await self.round()
            self.wait(step_seconds)
            status = self.status(name)  # raises if the counts do not add up
            if status.state is DatasetState.COMPLETE:
                return status
        raise AssertionError(f"not complete after {rounds} rounds: {self.status(name).total}")

    def _clock(self) -> float:
        return time.monotonic() + self.ledger.skew_ms / 1000
