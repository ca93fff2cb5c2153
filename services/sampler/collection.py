"""The loop that brings every slot of every dataset to an end."""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.budget import Sum
from euguess.collection.layout import slot_key
from euguess.collection.ledger import Ledger
from euguess.collection.providers import ProviderName
from euguess.errors import EUGuessError
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    DeadLetter,
    FetchLocations,
    SlotOutcome,
    SlotRequest,
)
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets, why_spent
from services.sampler.drawing import Drawing
from services.sampler.outcomes import known_outcomes
from services.sampler.publisher import Publisher
from services.sampler.slots import SlotBoard, SlotEnd, SlotWork

logger = logging.getLogger(__name__)

EVENT_WAIT_MS = 200
RETRY_SECONDS = 1.0
MISTAKE_SECONDS = 5.0
STALLED_SECONDS = 30.0  # without a completed round the sampler is not ready


@dataclass(frozen=True, slots=True)
class Limits:
    """How much may be under way, and for how long."""

    lease_seconds: float = 120.0
    outstanding: int = 400  # slots published and not yet answered, over all datasets
    max_failures: int = 8
    reconcile_seconds: float = 1.0


@dataclass(slots=True)
class Collection:
    """One dataset that is being collected, or was."""

    board: SlotBoard
    is_stopped: bool = False
    paused: str | None = None
    possibly_paid: int = 0
    budget: Budget | None = None
    spent: Sum | None = None  # None until its account is open
    is_budget_spent: bool = False

    @property
    def is_active(self) -> bool:
        return not self.is_stopped and not self.board.is_complete


class Conductor:
    """Publishes slots, follows their outcomes, and reconciles what got lost."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        publisher: Publisher,
        drawing: Drawing,
        budgets: Budgets,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.collections: dict[str, Collection] = {}
        self.published_slots = 0
        self.outcome_counts: dict[str, int] = {}
        self._store = store
        self._ledger = ledger
        self._publisher = publisher
        self._drawing = drawing
        self._budgets = budgets
        self._limits = limits
        self._clock = clock
        self._identity: str | None = None
        self._position = "0-0"
        self._reconciled_at = -float("inf")
        self._round_at = clock()

    # --- for the HTTP side ---

    @property
    def is_progressing(self) -> bool:
        """Whether the loop has completed a round lately."""
        return self.lag_seconds < STALLED_SECONDS

    @property
    def lag_seconds(self) -> float:
        """Time since the last completed round."""
        return self._clock() - self._round_at

    @property
    def outstanding(self) -> int:
        return sum(len(c.board.in_flight) for c in self.collections.values())

    def prepare(self, spec: DatasetSpec) -> Collection:
        """A collection with all slots waiting; it starts when it is put into `collections`."""
        return Collection(SlotBoard(spec, max_failures=self._limits.max_failures))

    def status(self, name: str) -> DatasetStatus:
        """Raises KeyError."""
        collection = self.collections[name]
        total, countries = collection.board.counts()
        tally, spent = collection.board.tally, collection.spent
        state = _state(collection)
        return DatasetStatus(
            spec=collection.board.spec,
            state=state,
            reason=collection.paused,
            total=total,
            countries=countries,
            failures=dict(tally.failures),
            rejections=dict(tally.rejections),
            images=tally.images,
            bytes=tally.bytes,
            cost=tally.cost,
            possibly_paid=collection.possibly_paid,
            budget=collection.budget,
            images_spent=tally.images if spent is None else spent.images,
            is_budget_spent=collection.is_budget_spent and state is DatasetState.PAUSED,
            dollars_spent=tally.cost if spent is None else spent.dollars,
        )

    # --- the loop ---

    def start_after(self, position: str) -> None:
        """Where in the outcome stream to begin: noted before the outcomes were recovered."""
        self._position = position

    async def run(self) -> None:
        """Work until cancelled; troubles of Redis or the store are waited out."""
        is_healthy = True
        while True:
            try:
                await self.round()
                is_healthy = True
            except (RedisError, EUGuessError, OSError) as error:
                if is_healthy:
                    kind = type(error).__name__
                    logger.warning("collection waits: %s", kind, extra={"action": "wait"})
                is_healthy = False
                self._reconciled_at = -float("inf")  # Redis may have lost its data
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # A mistake in one round must not end all collections; /readyz shows it.
                logger.exception("a round failed", extra={"action": "round_failed"})
                await asyncio.sleep(MISTAKE_SECONDS)

    async def round(self) -> None:
        """One round: hear outcomes, reconcile now and then, publish."""
        await self._follow(EVENT_WAIT_MS)
        if self._clock() - self._reconciled_at >= self._limits.reconcile_seconds:
            await self._reconcile()
            self._reconciled_at = self._clock()
        await self._recall_stopped()
        await self._publish_waiting()
        self._round_at = self._clock()

    async def _follow(self, wait_ms: int) -> None:
        """Apply all outcomes announced since the last time."""
        while events := await self._ledger.events(self._position, block_ms=wait_ms):
            for position, outcome in events:
                await self._hear(outcome)
                self._position = position
            wait_ms = 1

    async def _hear(self, outcome: SlotOutcome | None) -> None:
        if outcome is None:  # did not validate
            return
        self.outcome_counts[outcome.status] = self.outcome_counts.get(outcome.status, 0) + 1
        collection = self.collections.get(outcome.dataset)
        if collection is None:
            return
        work = collection.board.in_flight.get(outcome.slot)
        if work is not None and len(collection.board.in_flight) == 1:  # perhaps the last of all
            collection.possibly_paid = await self._ledger.possibly_paid(outcome.dataset)
            collection.spent = await self._budgets.spent(collection.board.spec)
        await self._end(collection, collection.board.apply(outcome, self._clock()))
        if work is not None and not outcome.status.is_final:
            await self._keep_progress(outcome.dataset, work)

    async def _keep_progress(self, dataset: str, work: SlotWork) -> None:
        """So that a restarted sampler neither tries candidates again nor forgets failures."""
        await self._ledger.keep_progress(dataset, work.slot, work.next_candidate, work.failures)

    async def _recall_stopped(self) -> None:
        """Outdate what a stopped dataset has in the queue; what fetchers have begun, they end."""
        for name, collection in list(self.collections.items()):
            if collection.is_stopped and collection.board.in_flight:
                in_flight = collection.board.in_flight.values()
                fences = {work.slot: work.fence + 1 for work in in_flight}
                await self._ledger.lease(name, fences, 0)
                collection.board.withdraw(fences)

    async def _refill_lost_redis(self) -> None:
        """Put final outcomes back when Redis was restarted or emptied since the last look."""
        identity = await self._ledger.identity()
        if self._identity not in (None, identity):
            for collection in list(self.collections.values()):
                spec = collection.board.spec
                for outcome in await known_outcomes(self._store, self._ledger, spec):
                    collection.board.finish(outcome)
            logger.warning("Redis came back with other data", extra={"action": "refilled"})
        self._identity = identity

    async def _reconcile(self) -> None:
        """Slots whose lease is over have failed, unless their outcome is here by now."""
        await self._refill_lost_redis()
        for name, collection in self._active():
            collection.paused = await self._why_paused(collection)
            in_flight = {work.slot: work.fence for work in collection.board.in_flight.values()}
            leases, now_ms = await self._ledger.leases(name), await self._ledger.now_ms()
            await self._follow(1)
            for slot, fence in in_flight.items():
                lease = leases.get(slot)
                work = collection.board.in_flight.get(slot)
                is_live = lease is not None and lease.expires_ms > now_ms
                if work is None or work.fence != fence or is_live:
                    continue
                if lease is not None and lease.begun:
                    end = collection.board.fail(work, "worker lost", self._clock())
                    await self._end(collection, end)
                    await self._keep_progress(name, work)
                else:  # no fetcher ever had it: the message was lost, the slot is not to blame
                    collection.board.give_back([work])
            if not collection.board.in_flight:
                collection.possibly_paid = await self._ledger.possibly_paid(name)

    async def _why_paused(self, collection: Collection) -> str | None:
        spec = collection.board.spec
        collection.spent = await self._budgets.spent(spec)
        missing = collection.board.fewest_missing_images()
        spent = why_spent(collection.budget, collection.spent, spec.provider, missing)
        collection.is_budget_spent = spent is not None and collection.spent is not None
        return await self._ledger.paused(spec.provider) or spent

    async def _publish_waiting(self) -> None:
        active = [c for _, c in self._active() if c.paused is None]
        for place, collection in enumerate(active):
            free = self._limits.outstanding - self.outstanding
            share = free // (len(active) - place)  # each dataset gets its part
            for group in collection.board.take(share, self._clock()):
                await self._publish(collection.board, group)

    async def _publish(self, board: SlotBoard, group: list[SlotWork]) -> None:
        """Lease and send. The fence is the time, so that it also grows across restarts."""
        name = board.spec.name
        try:
            message = await asyncio.to_thread(self._message, board.spec, group)
            fences = {work.slot: work.fence for work in group}
            await self._ledger.lease(name, fences, self._limits.lease_seconds)
            await asyncio.to_thread(self._publisher.publish, message)
        except BaseException:
            board.give_back(group)
            raise
        self.published_slots += len(group)

    def _message(self, spec: DatasetSpec, group: list[SlotWork]) -> FetchLocations:
        now_ms = int(time.time() * 1000)
        for work in group:
            work.fence = max(work.fence + 1, now_ms)
        candidates = self._drawing.draw(spec, group)
        requests = [
            SlotRequest(
                slot=work.slot,
                candidates=tuple(candidates[work.slot]),
                fence=work.fence,
            )
            for work in group
        ]
        return FetchLocations(dataset=spec.name, slots=tuple(requests))

    async def _end(self, collection: Collection, end: SlotEnd | None) -> None:
        """Write the final outcome of a slot that reached a limit; a fetcher's own one wins."""
        if end is None:
            return
        name, work = collection.board.spec.name, end.work
        outcome = SlotOutcome(
            dataset=name,
            slot=work.slot,
            fence=work.fence,
            status=end.status,
            reason=end.reason,
            candidates_tried=work.next_candidate,
            rejections=dict(work.rejections),
            images=work.images,
            bytes=work.bytes,
            cost=work.cost,
            finished_at=utc_now(),
        )
        key = slot_key(name, work.slot)
        is_own = await self._store.create(key, outcome.model_dump_json().encode())
        if not is_own:
            outcome = SlotOutcome.model_validate_json(await self._store.get(key))
        await self._ledger.record(outcome)
        collection.board.finish(outcome, repeats_spending=is_own)
        if outcome.reason is not None and outcome.reason == end.reason:
            await self._bury(outcome)

    async def _bury(self, outcome: SlotOutcome) -> None:
        payload = outcome.model_dump(mode="json")
        reason = outcome.reason or "failed"
        letter = DeadLetter(source="sampler", reason=reason, payload=payload, at=utc_now())
        await self._ledger.bury(letter)

    def _active(self) -> Iterator[tuple[str, Collection]]:
        yield from [(n, c) for n, c in self.collections.items() if c.is_active]


def _state(collection: Collection) -> DatasetState:
    if collection.board.is_complete:
        is_import = collection.board.spec.provider == ProviderName.FOLDER
        return DatasetState.IMPORTED if is_import else DatasetState.COMPLETE
    if collection.is_stopped:
        return DatasetState.STOPPED
    return DatasetState.COLLECTING if collection.paused is None else DatasetState.PAUSED
