"""Count the outcomes of a dataset and build its status from the counts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from euguess.collection.budget import Sum
from euguess.collection.providers import ProviderName
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DatasetState,
    DatasetStatus,
    SlotOutcome,
    SlotStatus,
    StatusCounts,
)


@dataclass(slots=True)
class OutcomeCounts:
    """Ended slots by country and status, and sums over all outcomes."""

    spec: DatasetSpec
    images: int = 0
    bytes: int = 0
    cost: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    rejections: Counter[str] = field(default_factory=Counter)
    ended: dict[str, Counter[SlotStatus]] = field(init=False)

    def __post_init__(self) -> None:
        self.ended = {code: Counter() for code in self.spec.quotas}

    def add_spending(self, outcome: SlotOutcome) -> None:
        """Add the downloads and rejections of an attempt."""
        self.images += outcome.images
        self.bytes += outcome.bytes
        self.cost += outcome.cost
        self.rejections.update(outcome.rejections)

    def add_end(self, outcome: SlotOutcome) -> None:
        """Count the final outcome of a slot."""
        self.ended[outcome.slot.country_code][outcome.status] += 1
        if outcome.status is SlotStatus.FAILED:
            self.failures[outcome.reason or "unknown"] += 1

    def by_country(self) -> dict[str, StatusCounts]:
        """Return the counts of each country; a slot that has not ended is pending."""
        return {code: _counts(quota, self.ended[code]) for code, quota in self.spec.quotas.items()}

    def total(self) -> StatusCounts:
        """Return the counts of all countries."""
        return total_counts(self.by_country())


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """The budget of a collection, and what its account has spent."""

    spent: Sum = field(default_factory=Sum)
    budget: Budget | None = None
    is_budget_spent: bool = False


@dataclass(frozen=True, slots=True)
class InProgress:
    """Places that are queued or at a fetcher; of these, the ones whose fetcher is silent."""

    places: int = 0
    silent: int = 0
    silent_seconds: float = 0.0  # until the last of their leases ends


NOTHING = InProgress()


def build_status(
    counts: OutcomeCounts,
    *,
    is_stopped: bool = False,
    pause_reason: str | None = None,
    spending: Spending | None = None,
    in_progress: InProgress = NOTHING,
) -> DatasetStatus:
    """Build the status of a dataset; requested = stored + no_coverage + failed + pending."""
    countries, spending = counts.by_country(), spending or Spending()
    total = total_counts(countries)
    state = _state(counts.spec, total, is_stopped=is_stopped, is_paused=pause_reason is not None)
    return DatasetStatus(
        spec=counts.spec,
        state=state,
        reason=pause_reason,
        total=total,
        countries=countries,
        failures=dict(counts.failures),
        rejections=dict(counts.rejections),
        images=counts.images,
        bytes=counts.bytes,
        cost=counts.cost,
        possibly_paid=max(0, spending.spent.images - total.stored * len(counts.spec.headings)),
        budget=spending.budget,
        images_spent=spending.spent.images,
        dollars_spent=spending.spent.dollars,
        is_budget_spent=spending.is_budget_spent and state is DatasetState.PAUSED,
        in_progress=in_progress.places,
        silent=in_progress.silent,
        silent_seconds=in_progress.silent_seconds,
    )


def total_counts(countries: Mapping[str, StatusCounts]) -> StatusCounts:
    """Sum the counts over countries."""
    fields = ("requested", "stored", "no_coverage", "failed", "pending")
    sums = {field: sum(getattr(c, field) for c in countries.values()) for field in fields}
    return StatusCounts(**sums)


def _counts(quota: int, ended: Counter[SlotStatus]) -> StatusCounts:
    return StatusCounts(
        requested=quota,
        stored=ended[SlotStatus.STORED],
        no_coverage=ended[SlotStatus.NO_COVERAGE],
        failed=ended[SlotStatus.FAILED],
        pending=quota - ended.total(),
    )


def _state(
    spec: DatasetSpec, total: StatusCounts, *, is_stopped: bool, is_paused: bool
) -> DatasetState:
    if not total.pending:
        is_import = spec.provider == ProviderName.FOLDER
        return DatasetState.IMPORTED if is_import else DatasetState.COMPLETE
    if is_stopped:
        return DatasetState.STOPPED
    return DatasetState.PAUSED if is_paused else DatasetState.COLLECTING
