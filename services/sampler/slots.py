"""State machine for the slots of one dataset; does no I/O.

A slot is waiting, in flight or ended. Times are seconds of any monotonic clock.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field

from euguess.clock import utc_now
from euguess.collection.status import OutcomeCounts
from euguess.messages.collection import (
    MAX_CANDIDATES_PER_SLOT,
    MAX_REASON_LENGTH,
    MAX_SLOTS_PER_MESSAGE,
    DatasetSpec,
    SlotKey,
    SlotOutcome,
    SlotStatus,
)

BACKOFF_SECONDS = 1.0  # after the first failure; doubles with each
MAX_BACKOFF_SECONDS = 60.0
DEFERRAL_SECONDS = 1.0  # by then the sampler also knows that the provider is paused


@dataclass(slots=True)
class SlotWork:
    """A slot that has not ended. `fence` is that of its last publication."""

    slot: SlotKey
    next_candidate: int = 0
    failures: int = 0
    fence: int = 0
    rejections: Counter[str] = field(default_factory=Counter)
    images: int = 0
    bytes: int = 0
    cost: float = 0.0
    missing: int | None = None  # images that a partly bought location still needs

    def spend(self, outcome: SlotOutcome) -> None:
        """Add the cost of an attempt that did not end the slot."""
        self.images += outcome.images
        self.bytes += outcome.bytes
        self.cost += outcome.cost
        self.rejections.update(outcome.rejections)


@dataclass(frozen=True, slots=True)
class SlotEnd:
    """A slot that the sampler itself ends, since it reached a limit."""

    work: SlotWork
    status: SlotStatus
    reason: str | None = None

    def outcome(self, dataset: str) -> SlotOutcome:
        """Return the final outcome, which repeats the spending of all attempts."""
        work = self.work
        return SlotOutcome(
            dataset=dataset,
            slot=work.slot,
            fence=work.fence,
            status=self.status,
            reason=self.reason,
            candidates_tried=work.next_candidate,
            rejections=dict(work.rejections),
            images=work.images,
            bytes=work.bytes,
            cost=work.cost,
            finished_at=utc_now(),
        )


class SlotTracker:
    """Tracks which slots of a dataset are waiting, in flight and ended."""

    def __init__(self, spec: DatasetSpec, *, max_failures: int) -> None:
        self.spec = spec
        self._max_failures = max_failures
        self._fresh = _round_robin(spec.quotas)
        self._again: deque[SlotWork] = deque()
        self._delayed: list[tuple[float, int, SlotWork]] = []  # a heap; the number breaks ties
        self._pushed = 0
        self._in_flight: dict[SlotKey, SlotWork] = {}
        self._adopted: dict[SlotKey, SlotWork] = {}  # of an earlier sampler
        self._final: set[SlotKey] = set()
        self.counts = OutcomeCounts(spec)

    # --- publish ---

    def take(self, limit: int, now: float) -> list[list[SlotWork]]:
        """Take up to `limit` waiting slots, grouped into messages.

        A slot that has failed goes alone, so that a poison slot does not affect others.
        """
        works = list(self._due(limit, now))
        works += self._waiting(limit - len(works))
        alone = [[work] for work in works if work.failures]
        rest = [work for work in works if not work.failures]
        size = MAX_SLOTS_PER_MESSAGE
        groups = alone + [rest[at : at + size] for at in range(0, len(rest), size)]
        return groups

    def give_back(self, works: Iterable[SlotWork]) -> None:
        """Return slots that could not be published; this does not count as a failure."""
        for work in works:
            if self._in_flight.pop(work.slot, None) is not None:
                self._again.append(work)

    def adopt(self, slot: SlotKey, fence: int) -> None:
        """Take over a slot that an earlier sampler published and whose lease has not expired."""
        if slot not in self._final and self.spec.has_slot(slot):
            work = self._adopted.setdefault(slot, SlotWork(slot))
            work.fence = fence
            self._in_flight[slot] = work

    def recall(self, slot: SlotKey, next_candidate: int, failures: int) -> None:
        """Restore the progress of a slot from an earlier sampler; call it before `adopt`."""
        if slot not in self._final and self.spec.has_slot(slot):
            self._adopted[slot] = SlotWork(slot, next_candidate, failures)
            self._again.append(self._adopted[slot])

    def withdraw(self, fences: Mapping[SlotKey, int]) -> None:
        """Withdraw slots in flight; outcomes with lower fences become outdated."""
        for slot, fence in fences.items():
            work = self._in_flight.get(slot)
            if work is not None:
                work.fence = max(work.fence, fence)
                self.give_back([work])

    # --- outcomes ---

    def apply(self, outcome: SlotOutcome, now: float) -> SlotEnd | None:
        """Record an outcome. Returns how to end the slot when it reached a limit."""
        if outcome.status.is_final:
            self.finish(outcome)
            return None
        work = self._in_flight.get(outcome.slot)
        if work is None or outcome.fence != work.fence:
            return None  # of an outdated publication
        work.spend(outcome)
        self.counts.add_spending(outcome)
        work.missing = self._missing(outcome)
        if outcome.status is SlotStatus.EXHAUSTED:
            return self._advance(work, outcome.candidates_tried)
        if outcome.status is SlotStatus.DEFERRED:
            self._delay(work, now + DEFERRAL_SECONDS)
            return None
        return self.fail(work, outcome.reason or "temporary problem", now)

    def fail(self, work: SlotWork, reason: str, now: float) -> SlotEnd | None:
        """Count a failure: the slot is delayed longer each time, and ends at the limit."""
        work.failures += 1
        if work.failures >= self._max_failures:
            suffix = f" ({work.failures} attempts)"
            reason = reason[: MAX_REASON_LENGTH - len(suffix)] + suffix
            return SlotEnd(work, SlotStatus.FAILED, reason)
        self._delay(
            work, now + min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** (work.failures - 1))
        )
        return None

    def finish(self, outcome: SlotOutcome, *, repeats_spending: bool = False) -> None:
        """Record a final outcome; the first one is kept. An outcome written by the sampler itself
        repeats the spending of earlier attempts, which is already counted."""
        slot = outcome.slot
        self._in_flight.pop(slot, None)
        if slot not in self._final and self.spec.has_slot(slot):
            self._final.add(slot)
            self.counts.add_end(outcome)
            if not repeats_spending:
                self.counts.add_spending(outcome)

    # --- state ---

    @property
    def in_flight(self) -> Mapping[SlotKey, SlotWork]:
        return self._in_flight

    @property
    def is_complete(self) -> bool:
        return len(self._final) == self.spec.requested

    @property
    def final(self) -> Set[SlotKey]:
        """Slots that have ended."""
        return self._final

    def fewest_missing_images(self) -> int:
        """Return the fewest images that any next location needs; some may be bought already."""
        works = [*self._again, *(work for _, _, work in self._delayed)]
        begun = (work.missing for work in works if work.missing is not None)
        return min(begun, default=len(self.spec.headings))

    def _missing(self, outcome: SlotOutcome) -> int | None:
        """None once the budget refused the rest; otherwise the slot would be retried forever."""
        rest = len(self.spec.headings) - outcome.images
        is_begun = outcome.status is SlotStatus.RETRY and outcome.images > 0 and rest > 0
        return rest if is_begun else None

    def _advance(self, work: SlotWork, tried: int) -> SlotEnd | None:
        work.next_candidate += max(1, tried)
        if work.next_candidate >= self.spec.max_candidates:
            return SlotEnd(work, SlotStatus.NO_COVERAGE)
        del self._in_flight[work.slot]
        self._again.append(work)
        return None

    def _delay(self, work: SlotWork, until: float) -> None:
        del self._in_flight[work.slot]
        self._pushed += 1
        heapq.heappush(self._delayed, (until, self._pushed, work))

    def _due(self, limit: int, now: float) -> Iterator[SlotWork]:
        while limit > 0 and self._delayed and self._delayed[0][0] <= now:
            work = heapq.heappop(self._delayed)[2]
            if work.slot not in self._final and work.slot not in self._in_flight:
                limit -= 1
                self._in_flight[work.slot] = work
                yield work

    def _waiting(self, limit: int) -> Iterator[SlotWork]:
        while limit > 0:
            work = self._again.popleft() if self._again else self._next_fresh()
            if work is None:
                return
            if work.slot not in self._final and work.slot not in self._in_flight:
                limit -= 1
                self._in_flight[work.slot] = work
                yield work

    def _next_fresh(self) -> SlotWork | None:
        slot = next((slot for slot in self._fresh if slot not in self._adopted), None)
        return None if slot is None else SlotWork(slot)


def candidate_count(work: SlotWork, spec: DatasetSpec) -> int:
    """Return how many candidates to send for a slot."""
    return min(MAX_CANDIDATES_PER_SLOT, spec.max_candidates - work.next_candidate)


def _round_robin(quotas: Mapping[str, int]) -> Iterator[SlotKey]:
    """Yield one slot of each country in turn, so that all countries fill evenly."""
    for index in range(max(quotas.values())):
        for code, quota in quotas.items():
            if index < quota:
                yield SlotKey(country_code=code, index=index)
