"""A ledger in memory. It passes the same contract test as the ledger in Redis."""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from redis.exceptions import ConnectionError as RedisConnectionError

from euguess.collection.ledger import Lease, Ledger
from euguess.messages.collection import DeadLetter, SlotKey, SlotOutcome
from euguess.messages.queues import Queue


@dataclass(slots=True)
class _Dataset:
    """The live view of one dataset. Leases are (fence, expiry in ms, owner or "")."""

    leases: dict[SlotKey, tuple[int, int, str]] = field(default_factory=dict)
    outcomes: dict[SlotKey, SlotOutcome] = field(default_factory=dict)
    progress: dict[SlotKey, tuple[int, int]] = field(default_factory=dict)
    panoramas: dict[str, SlotKey] = field(default_factory=dict)


class InMemoryLedger(Ledger):
    """Ledger in memory, with a clock that tests can move.

    Like an unavailable Redis it raises while `is_down`; like a full one it is not writable while
    `is_full`.
    """

    def __init__(self) -> None:
        self.is_down = False
        self.is_full = False
        self.skew_ms = 0
        self.runs = 0
        self._forgotten_events = 0  # positions only grow, as Redis's do
        self.stream: list[SlotOutcome | None] = []  # None: an outcome that does not validate
        self.wipe()

    def wipe(self) -> None:
        """Lose all data, as after FLUSHALL."""
        self.runs += 1
        self._forgotten_events += len(self.stream)
        self.stream = []
        self.datasets: defaultdict[str, _Dataset] = defaultdict(_Dataset)
        self.pauses: dict[str, tuple[str, float | None]] = {}
        self._pause_ends: dict[str, float] = {}
        self.letters: list[DeadLetter] = []
        self.queued: Counter[Queue] = Counter()

    @property
    def recorded(self) -> list[SlotOutcome]:
        """Outcomes announced since the data was last lost."""
        return [outcome for outcome in self.stream if outcome is not None]

    # --- leases ---

    async def lease(self, dataset: str, fences: Mapping[SlotKey, int], seconds: float) -> None:
        self._check()
        expiry = self._now_ms() + int(seconds * 1000)
        self.datasets[dataset].leases.update({s: (f, expiry, "") for s, f in fences.items()})

    async def begin(
        self, dataset: str, fences: Mapping[SlotKey, int], owner: str, seconds: float
    ) -> set[SlotKey]:
        self._check()
        view, expiry = self.datasets[dataset], self._now_ms() + int(seconds * 1000)
        begun = {s: f for s, f in fences.items() if _may_begin(view, s, f, owner)}
        view.leases.update({slot: (fence, expiry, owner) for slot, fence in begun.items()})
        return set(begun)

    async def renew(
        self, dataset: str, slot: SlotKey, fence: int, owner: str, seconds: float
    ) -> bool:
        return slot in await self.begin(dataset, {slot: fence}, owner, seconds)

    async def withdraw(self, dataset: str, fences: Mapping[SlotKey, int]) -> set[SlotKey]:
        self._check()
        leases = self.datasets[dataset].leases
        queued = {s: f for s, f in fences.items() if s in leases and not leases[s][2]}
        withdrawn = {
            slot: (fence, 0, "") for slot, fence in queued.items() if leases[slot][0] < fence
        }
        leases.update(withdrawn)
        return set(withdrawn)

    async def leases(self, dataset: str) -> dict[SlotKey, Lease]:
        self._check()
        now_ms = self._now_ms()
        return {
            slot: Lease(
                fence,
                is_live=expiry > now_ms,
                is_begun=bool(owner),
                is_ended=expiry == 0,
                seconds_left=max(0.0, (expiry - now_ms) / 1000),
            )
            for slot, (fence, expiry, owner) in self.datasets[dataset].leases.items()
        }

    # --- Redis itself ---

    async def identity(self) -> str:
        self._check()
        return str(self.runs)

    async def check_writable(self) -> None:
        self._check()
        if self.is_full:
            raise RedisConnectionError("full")

    # --- outcomes ---

    async def record(self, outcome: SlotOutcome) -> None:
        self._check()
        dataset = self.datasets[outcome.dataset]
        if outcome.status.is_final:
            dataset.outcomes.setdefault(outcome.slot, outcome)
        self.stream.append(outcome)
        held, _, owner = dataset.leases.get(outcome.slot, (0, 0, ""))
        if held > outcome.fence:
            return
        if outcome.status.is_final:
            dataset.leases.pop(outcome.slot, None)
        else:
            owner = (held == outcome.fence and owner) or "ended"
            dataset.leases[outcome.slot] = (outcome.fence, 0, owner)

    async def keep_progress(
        self, dataset: str, slot: SlotKey, next_candidate: int, failures: int
    ) -> None:
        self._check()
        self.datasets[dataset].progress[slot] = (next_candidate, failures)

    async def progress(self, dataset: str) -> dict[SlotKey, tuple[int, int]]:
        self._check()
        return dict(self.datasets[dataset].progress)

    async def outcomes(self, dataset: str) -> dict[SlotKey, SlotOutcome]:
        self._check()
        return dict(self.datasets[dataset].outcomes)

    async def has_view(self, dataset: str) -> bool:
        self._check()
        view = self.datasets[dataset]
        return bool(view.leases or view.outcomes or view.progress)

    async def restore(self, outcomes: Iterable[SlotOutcome]) -> None:
        self._check()
        for outcome in outcomes:
            self.datasets[outcome.dataset].outcomes.setdefault(outcome.slot, outcome)

    async def last_event(self) -> str:
        self._check()
        return f"{self._forgotten_events + len(self.stream)}-0"

    async def events(
        self, after: str, *, block_ms: int, count: int = 1000
    ) -> list[tuple[str, SlotOutcome | None]]:
        self._check()
        start = max(int(after.partition("-")[0]), self._forgotten_events)
        new = self.stream[start - self._forgotten_events :][:count]
        return [(f"{start + i}-0", outcome) for i, outcome in enumerate(new, start=1)]

    # --- panoramas ---

    async def reserve_panorama(self, dataset: str, location_id: str, slot: SlotKey) -> bool:
        self._check()
        view = self.datasets[dataset]
        holder = view.panoramas.get(location_id, slot)
        end = view.outcomes.get(holder)
        if holder != slot and (end is None or end.location_id == location_id):
            return False
        view.panoramas[location_id] = slot
        return True

    # --- pauses and dead letters ---

    async def pause(self, provider: str, reason: str, seconds: float | None) -> None:
        self._check()
        self.pauses[provider] = (reason, seconds)
        now_ms, duration = self._now_ms(), float("inf") if seconds is None else seconds
        self._pause_ends[provider] = now_ms + duration * 1000

    async def resume(self, provider: str) -> None:
        self._check()
        self.pauses.pop(provider, None)

    async def paused(self, provider: str) -> str | None:
        self._check()
        if provider not in self.pauses or self._pause_ends[provider] <= self._now_ms():
            return None
        return self.pauses[provider][0]

    async def bury(self, letter: DeadLetter) -> None:
        self._check()
        self.letters.insert(0, letter)

    async def dead_letters(self, limit: int = 100) -> list[DeadLetter]:
        self._check()
        return self.letters[:limit]

    async def dead_letter_count(self) -> int:
        self._check()
        return len(self.letters)

    async def queued_messages(self, queue: Queue) -> int:
        self._check()
        return self.queued[queue]

    async def forget_view(self, dataset: str) -> None:
        self._check()
        self.datasets[dataset].outcomes.clear()
        self.datasets[dataset].progress.clear()

    async def forget(self, dataset: str) -> None:
        self._check()
        self.datasets.pop(dataset, None)

    def _now_ms(self) -> int:
        return int(time.time() * 1000) + self.skew_ms

    def _check(self) -> None:
        if self.is_down:
            raise RedisConnectionError("refused")


def _may_begin(view: _Dataset, slot: SlotKey, fence: int, owner: str) -> bool:
    if slot not in view.leases:
        return slot not in view.outcomes
    held, _, holder = view.leases[slot]
    return held < fence or (held == fence and holder in ("", owner))
