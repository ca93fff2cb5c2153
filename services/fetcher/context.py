"""Dependencies shared by the parts of a fetcher, and the statistics of one attempt."""

import time
from collections import Counter
from dataclasses import dataclass, field

from euguess.collection.budget import BudgetLedger
from euguess.collection.ledger import Ledger
from euguess.geography.boundaries import Boundaries
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls
from services.fetcher.checks import Rejection
from services.fetcher.paid import PaidImages
from services.fetcher.providers import StreetImageProvider


@dataclass(frozen=True, slots=True)
class FetchContext:
    """Dependencies for fetching from one provider."""

    provider: StreetImageProvider
    calls: Calls
    store: ObjectStore
    ledger: Ledger
    budgets: BudgetLedger
    boundaries: Boundaries
    paid: PaidImages = field(default_factory=PaidImages)


@dataclass(slots=True)
class AttemptStats:
    """Counts of one attempt at a slot: candidates tried and rejected, images downloaded."""

    started: float = field(default_factory=time.monotonic)
    candidates_tried: int = 0
    images: int = 0
    bytes: int = 0
    rejections: Counter[Rejection] = field(default_factory=Counter)
