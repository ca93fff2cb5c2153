"""One dataset that the sampler collects: its slots, budget and pauses."""

from dataclasses import dataclass, field
from enum import StrEnum

from euguess.collection.budget import MICROS, Sum
from euguess.collection.status import InProgress, Spending, build_status
from euguess.messages.collection import Budget, DatasetSpec, DatasetStatus, SlotKey
from services.sampler.slots import SlotTracker


class RedisView(StrEnum):
    """What Redis knew of a collection that was restored."""

    INTACT = "intact"
    RESTARTED = "restarted"  # its data is there, but leases may have expired meanwhile
    LOST = "lost"  # fetchers may be at work on slots that have no lease now


@dataclass(slots=True)
class Collection:
    """A dataset that is being collected, or has been."""

    slots: SlotTracker
    is_stopped: bool = False
    pause_reason: str | None = None
    quiet_until: float | None = None  # on the controller's clock; nothing is published before
    fault: str | None = None  # an error of this collection alone, until a check succeeds
    last_fault: str | None = None
    budget: Budget | None = None
    is_budget_known: bool = False
    spent: Sum | None = None  # None until its account is open
    is_budget_spent: bool = False
    silent: dict[SlotKey, float] = field(default_factory=dict)  # seconds left, by the last check

    @property
    def spec(self) -> DatasetSpec:
        return self.slots.spec

    @property
    def is_active(self) -> bool:
        return not self.is_stopped and not self.slots.is_complete

    @property
    def is_open(self) -> bool:
        """True if slots are waiting, or in flight although the collection was stopped."""
        return self.is_active or bool(self.slots.in_flight)

    @property
    def why_paused(self) -> str | None:
        """Return why nothing is published for now, or None."""
        return self.fault or self.pause_reason

    def status(self) -> DatasetStatus:
        counts = self.slots.counts
        counted = Sum(counts.images, round(counts.cost * MICROS))
        spending = Spending(
            spent=counted if self.spent is None else self.spent,
            budget=self.budget,
            is_budget_spent=self.is_budget_spent,
        )
        return build_status(
            counts,
            is_stopped=self.is_stopped,
            pause_reason=self.why_paused,
            spending=spending,
            in_progress=self._in_progress(),
        )

    def _in_progress(self) -> InProgress:
        in_flight = self.slots.in_flight
        left = [seconds for slot, seconds in self.silent.items() if slot in in_flight]
        return InProgress(len(in_flight), len(left), max(left, default=0.0))
