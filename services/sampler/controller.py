"""The control loop that brings every slot of every dataset to an end."""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass

from redis.exceptions import RedisError

from euguess.clock import utc_now
from euguess.collection.datasets import is_damaged, known_outcomes, parse_outcome
from euguess.collection.layout import slot_key
from euguess.collection.ledger import Lease, Ledger
from euguess.errors import DamagedRecord, EUGuessError
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetStatus,
    DeadLetter,
    SlotKey,
    SlotOutcome,
)
from euguess.messages.queues import Queue
from euguess.storage import ObjectStore
from services.sampler.budgets import Budgets, why_spent
from services.sampler.collection import Collection, RedisView
from services.sampler.damage import DamagedRecords
from services.sampler.outages import fault_of, is_outage
from services.sampler.publisher import SlotPublisher
from services.sampler.slots import SlotEnd, SlotTracker, SlotWork

logger = logging.getLogger(__name__)

EVENT_WAIT_MS = 200
RETRY_SECONDS = 1.0
BUG_PAUSE_SECONDS = 5.0
WAITING_FOR_FETCHERS = "Redis has lost its data; fetchers at work get time to report themselves"
SILENT_SHARE = 0.6  # of a lease is left; a fetcher at work renews it when two thirds are
STALLED_SECONDS = 30.0  # without a completed round the sampler is not ready


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits on slots in flight and their failures."""

    outstanding: int = 400  # slots in flight, over all datasets
    max_failures: int = 8
    reconcile_seconds: float = 1.0
    lease_seconds: float = 120.0  # within which a fetcher at work takes back a lost lease


class CollectionController:
    """Publishes slots, applies their outcomes, and publishes lost slots again."""

    def __init__(
        self,
        store: ObjectStore,
        ledger: Ledger,
        publisher: SlotPublisher,
        budgets: Budgets,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        *,
        may_publish: Callable[[], bool] = lambda: True,
        tend_complete: Callable[[Iterable[str]], None] = lambda names: None,
    ) -> None:
        self._collections: dict[str, Collection] = {}
        self.outcome_counts: dict[str, int] = {}
        self.damage = DamagedRecords(ledger)
        self._store = store
        self._ledger = ledger
        self._publisher = publisher
        self._budgets = budgets
        self._limits = limits
        self._clock = clock
        self._may_publish = may_publish
        self._tend_complete = tend_complete
        self.between_rounds = asyncio.Lock()  # hold it to replace a collection
        self._identity: str | None = None
        self._patient_until = -float("inf")  # until then a lease that is not live may come back
        self._position = "0-0"
        self._reconciled_at = -float("inf")
        self._round_at = clock()

    # --- for the HTTP interface ---

    @property
    def is_progressing(self) -> bool:
        """True if the loop has completed a round recently."""
        return self.lag_seconds < STALLED_SECONDS

    @property
    def lag_seconds(self) -> float:
        """Time since the last completed round."""
        return self._clock() - self._round_at

    @property
    def outstanding(self) -> int:
        return sum(len(c.slots.in_flight) for c in self._collections.values())

    @property
    def published_slots(self) -> int:
        return self._publisher.published_slots

    @property
    def names(self) -> list[str]:
        """Names of the datasets that are or were collected."""
        return list(self._collections)

    def __contains__(self, name: str) -> bool:
        return name in self._collections

    def new_collection(self, spec: DatasetSpec) -> Collection:
        """Return a collection with all slots waiting; `add` starts it."""
        return Collection(SlotTracker(spec, max_failures=self._limits.max_failures))

    def add(self, collection: Collection, view: RedisView = RedisView.INTACT) -> None:
        """Start a collection, unless one of that name has been added.

        If Redis was restarted or lost its data, fetchers at work get time to renew their leases.
        """
        until = self._clock() + self._limits.lease_seconds
        if view is not RedisView.INTACT:
            self._patient_until = until
        if view is RedisView.LOST:
            collection.quiet_until = until
        self._collections.setdefault(collection.spec.name, collection)

    def remove(self, name: str) -> None:
        """Forget a collection that is about to be restored; hold `between_rounds`."""
        self._collections.pop(name, None)
        self.damage.forget(name)

    def ended_slots(self, name: str) -> frozenset[SlotKey]:
        """Return the slots of a collection that have ended so far. Raises KeyError."""
        return frozenset(self._collections[name].slots.final)

    def clear(self) -> None:
        """Forget all collections, for another sampler takes over."""
        self._collections.clear()
        self.damage.keys.clear()
        self._identity, self._reconciled_at = None, -float("inf")

    def resume(self, name: str) -> None:
        """Continue a collection that was stopped or paused. Raises KeyError."""
        collection = self._collections[name]
        collection.is_stopped, collection.pause_reason, collection.fault = False, None, None

    def stop(self, name: str) -> None:
        """Publish no more slots; fetchers finish those they have begun. Raises KeyError."""
        self._collections[name].is_stopped = True
        self._reconciled_at = -float("inf")

    def set_budget(self, name: str, budget: Budget | None) -> None:
        """Replace a collection's budget. Raises KeyError."""
        collection = self._collections[name]
        collection.budget, collection.is_budget_known, collection.fault = budget, True, None

    def status(self, name: str) -> DatasetStatus:
        """Return the status of a collection. Raises KeyError."""
        return self._collections[name].status()

    # --- the loop ---

    def start_after(self, position: str) -> None:
        """Set where to start in the outcome stream: a position from before the recovery."""
        self._position = position

    async def run(self) -> None:
        """Run until cancelled; retry while Redis or the store is unavailable."""
        is_healthy = True
        while True:
            try:
                await self.round()
                is_healthy = True
            except (RedisError, EUGuessError, OSError) as error:
                if is_healthy:
                    kind = type(error).__name__
                    logger.warning("collection is waiting: %s", kind, extra={"action": "wait"})
                is_healthy = False
                self._reconciled_at = -float("inf")  # Redis may have lost its data
                await asyncio.sleep(RETRY_SECONDS)
            except Exception:
                # A bug in one round must not end all collections; /readyz shows it.
                logger.exception("a round failed", extra={"action": "round_failed"})
                await asyncio.sleep(BUG_PAUSE_SECONDS)

    async def round(self) -> None:
        """Run one round: apply outcomes, reconcile when due, publish."""
        async with self.between_rounds:
            await self._follow(EVENT_WAIT_MS)
            if self._clock() - self._reconciled_at >= self._limits.reconcile_seconds:
                self._reconciled_at = self._clock()
                await self._reconcile()
            await self._publish_waiting()
        self._tend_complete(n for n, c in self._collections.items() if c.slots.is_complete)
        self._round_at = self._clock()

    async def _follow(self, wait_ms: int) -> None:
        """Apply all outcomes announced since the last call."""
        while events := await self._ledger.events(self._position, block_ms=wait_ms):
            for position, outcome in events:
                if outcome is not None:  # None did not validate
                    await self._apply_or_bury(outcome)
                self._position = position
            wait_ms = 1

    async def _apply_or_bury(self, outcome: SlotOutcome) -> None:
        """Apply an outcome. One that cannot be applied must not hold up those after it."""
        try:
            await self._apply(outcome)
        except Exception as error:
            if is_outage(error):
                raise
            logger.exception("an outcome cannot be applied", extra={"action": "outcome_failed"})
            await self._bury(outcome, f"cannot be applied: {fault_of(error)}")

    async def _apply(self, outcome: SlotOutcome) -> None:
        self.outcome_counts[outcome.status] = self.outcome_counts.get(outcome.status, 0) + 1
        collection = self._collections.get(outcome.dataset)
        if collection is None:
            return
        work = collection.slots.in_flight.get(outcome.slot)
        if work is not None and len(collection.slots.in_flight) == 1:  # possibly the last one
            collection.spent = await self._budgets.spent(collection.spec)
        await self._end(collection, collection.slots.apply(outcome, self._clock()))
        if work is not None and not outcome.status.is_final:
            await self._keep_progress(outcome.dataset, work)

    async def _keep_progress(self, dataset: str, work: SlotWork) -> None:
        """Store progress, so that a restarted sampler repeats no candidate and keeps failures."""
        await self._ledger.keep_progress(dataset, work.slot, work.next_candidate, work.failures)

    async def _withdraw(self, collection: Collection) -> None:
        """Outdate the queued slots of a stopped dataset; fetchers finish those they have begun."""
        in_flight = collection.slots.in_flight.values()
        fences = {work.slot: work.fence + 1 for work in in_flight}
        withdrawn = await self._ledger.withdraw(collection.spec.name, fences)
        collection.slots.withdraw({slot: fences[slot] for slot in withdrawn})

    async def _refill_lost_redis(self) -> None:
        """Restore final outcomes if Redis was restarted or emptied since the last check."""
        identity = await self._ledger.identity()
        if self._identity not in (None, identity):
            self._patient_until = self._clock() + self._limits.lease_seconds
            for collection in list(self._collections.values()):
                await self._guard(collection, self._refill(collection))
            logger.warning("Redis was restarted or lost its data", extra={"action": "refilled"})
        self._identity = identity

    async def _refill(self, collection: Collection) -> None:
        for outcome in await known_outcomes(self._store, self._ledger, collection.spec):
            collection.slots.finish(outcome)
            await self.damage.report_outcome(outcome)

    async def _reconcile(self) -> None:
        """Check each collection on its own."""
        await self._refill_lost_redis()
        for collection in [c for c in self._collections.values() if c.is_open]:
            if await self._guard(collection, self._check(collection)):
                collection.fault = None

    async def _guard(self, collection: Collection, step: Awaitable[None]) -> bool:
        """Take a step of one collection. Its own errors pause only this collection."""
        try:
            await step
        except Exception as error:
            if is_outage(error):
                raise
            await self._note_fault(collection, error)
            return False
        return True

    async def _note_fault(self, collection: Collection, error: Exception) -> None:
        name, fault = collection.spec.name, fault_of(error)
        if isinstance(error, DamagedRecord):
            await self.damage.report(name, error.key)
        elif collection.last_fault != fault:
            logger.error("%s is paused", name, exc_info=error, extra={"action": "fault"})
        collection.fault = collection.last_fault = fault

    async def _check(self, collection: Collection) -> None:
        """Handle slots whose lease has expired, unless their outcome has arrived by now."""
        name, slots = collection.spec.name, collection.slots
        if collection.is_stopped:
            await self._withdraw(collection)
        in_flight = {work.slot: work.fence for work in slots.in_flight.values()}
        leases = await self._ledger.leases(name)
        self._adopt_renewed(collection, leases)
        collection.silent = self._silent(leases)
        collection.pause_reason = await self._why_paused(collection)
        await self._refill_lost_redis()  # which may be why leases are missing
        await self._follow(1)
        for slot, fence in in_flight.items():
            work, lease = slots.in_flight.get(slot), leases.get(slot)
            if work is not None and work.fence == fence:
                await self._check_lease(collection, work, lease)

    def _adopt_renewed(self, collection: Collection, leases: Mapping[SlotKey, Lease]) -> None:
        """After Redis lost its data, take over the slots that fetchers turn out to work on."""
        if collection.quiet_until is None:
            return
        for slot, lease in leases.items():
            if lease.is_live and slot not in collection.slots.in_flight:
                collection.slots.adopt(slot, lease.fence)
        if self._clock() >= collection.quiet_until:
            collection.quiet_until = None

    def _silent(self, leases: Mapping[SlotKey, Lease]) -> dict[SlotKey, float]:
        """Return the seconds that are left of leases which their fetchers have not renewed."""
        short = SILENT_SHARE * self._limits.lease_seconds
        return {
            slot: lease.seconds_left
            for slot, lease in leases.items()
            if lease.is_live and lease.is_begun and lease.seconds_left < short
        }

    async def _check_lease(
        self, collection: Collection, work: SlotWork, lease: Lease | None
    ) -> None:
        if (lease is not None and lease.is_live) or self._clock() < self._patient_until:
            return
        if lease is not None and lease.is_begun:
            end = collection.slots.fail(work, "worker lost", self._clock())
            await self._end(collection, end)
            await self._keep_progress(collection.spec.name, work)
        else:  # no fetcher began it: the message was lost, not a failure of the slot
            collection.slots.give_back([work])

    async def _why_paused(self, collection: Collection) -> str | None:
        spec = collection.spec
        await self._budgets.refresh(collection)
        if collection.quiet_until is not None:
            return WAITING_FOR_FETCHERS
        missing = collection.slots.fewest_missing_images()
        spent = why_spent(collection.budget, collection.spent, spec.provider, missing)
        collection.is_budget_spent = spent is not None and collection.spent is not None
        return await self._ledger.paused(spec.provider) or spent

    async def _publish_waiting(self) -> None:
        if not self._may_publish() or await self._is_queue_full():
            return
        active = [c for c in self._active() if c.why_paused is None]
        for number, collection in enumerate(active):
            free = self._limits.outstanding - self.outstanding
            share = free // (len(active) - number)  # each dataset gets an equal share
            await self._guard(collection, self._publish(collection, share))

    async def _is_queue_full(self) -> bool:
        """True if most queued messages must be outdated, because no fetcher takes any.

        Without a limit, slots published again and again would fill Redis.
        """
        return await self._ledger.queued_messages(Queue.FETCH) >= self._limits.outstanding

    async def _publish(self, collection: Collection, limit: int) -> None:
        slots = collection.slots
        groups = deque(slots.take(limit, self._clock()))
        try:
            while groups:
                await self._publisher.publish(slots, groups.popleft())
        finally:
            for group in groups:  # not sent after an error
                slots.give_back(group)

    async def _end(self, collection: Collection, end: SlotEnd | None) -> None:
        """Store the final outcome of a slot that reached a limit; one from a fetcher wins."""
        if end is None:
            return
        name = collection.spec.name
        outcome, key = end.outcome(name), slot_key(name, end.work.slot)
        is_ours = await self._store.create(key, outcome.model_dump_json().encode())
        if not is_ours:
            outcome = parse_outcome(name, end.work.slot, await self._store.get(key))
        await self.damage.report_outcome(outcome)
        if not is_damaged(outcome):
            await self._ledger.record(outcome)
        collection.slots.finish(outcome, repeats_spending=is_ours)
        if outcome.reason is not None and outcome.reason == end.reason:
            await self._bury(outcome, outcome.reason)

    async def _bury(self, outcome: SlotOutcome, reason: str) -> None:
        payload = outcome.model_dump(mode="json")
        letter = DeadLetter(source="sampler", reason=reason, payload=payload, at=utc_now())
        await self._ledger.bury(letter)

    def _active(self) -> list[Collection]:
        return [collection for collection in self._collections.values() if collection.is_active]
