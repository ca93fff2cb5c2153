"""Fakes of the fetcher's dependencies."""

import asyncio
import io
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from random import Random

import numpy as np
from PIL import Image
from redis.asyncio import Redis
from shapely.geometry import box

from euguess.collection.budget import Sum
from euguess.geography.boundaries import Boundaries
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    SlotKey,
    SlotRequest,
)
from euguess.storage import ObjectStore
from euguess.testing.budget import InMemoryBudgetLedger
from euguess.testing.ledger import InMemoryLedger
from services.fetcher.calls import Calls
from services.fetcher.context import FetchContext
from services.fetcher.lease import SlotLease
from services.fetcher.providers import Panorama, View
from services.fetcher.ratelimit import RateLimit

SIZE = 64
SPEC = DatasetSpec(name="demo", quotas={"FR": 60}, size=SIZE, border_buffer_km=2)
IN_FRANCE = Coordinate(47.0, 2.0)


def photo(seed: int = 0, size: int = SIZE) -> bytes:
    """Return a noisy JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@cache
def two_countries() -> Boundaries:
    """Return FR and DE as rectangles that touch at 5 degrees east."""
    return Boundaries({"FR": box(0, 44, 5, 50), "DE": box(5, 44, 10, 50)})


def panorama(name: str = "pano", at: Coordinate = IN_FRANCE, **changes: object) -> Panorama:
    fields = {
        "panorama_id": name,
        "coordinate": at,
        "captured_at": "2024-05",
        "attribution": "© Google",
        "license": "test",
        **changes,
    }
    return Panorama(**fields)  # type: ignore[arg-type] # the defaults have the right types


class FakeProvider:
    """Responds with functions that a test may replace, and counts calls."""

    name = "simulator"
    price_per_image = 0.5
    requests_per_second = None

    def __init__(self) -> None:
        self.on_find: Callable[[Coordinate], Panorama | None] = self._beside
        self.on_fetch: Callable[[str, View], bytes] = lambda pano, view: photo(view.heading)
        self.finds = 0
        self.fetched: Counter[tuple[str, int]] = Counter()

    @staticmethod
    def _beside(coordinate: Coordinate) -> Panorama:
        return panorama(f"p{coordinate.lat:.4f}_{coordinate.lon:.4f}".replace(".", "-"), coordinate)

    async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
        self.finds += 1
        await asyncio.sleep(0)
        return self.on_find(coordinate)

    async def fetch(self, panorama_id: str, view: View) -> bytes:
        self.fetched[panorama_id, view.heading] += 1
        await asyncio.sleep(0)
        return self.on_fetch(panorama_id, view)


@dataclass
class Bench:
    """The dependencies of a fetcher, in memory."""

    store: ObjectStore
    provider: FakeProvider = field(default_factory=FakeProvider)
    ledger: InMemoryLedger = field(default_factory=InMemoryLedger)

    budgets: InMemoryBudgetLedger = field(default_factory=InMemoryBudgetLedger)

    def __post_init__(self) -> None:
        self.open_account(None)
        unlimited = RateLimit(Redis(), "simulator", None)
        # A jitter of 0 makes all delays 0.
        self.calls = Calls(unlimited, chance=_NoChance())

    def open_account(self, budget: Budget | None) -> None:
        """Open an account, as the sampler does before it publishes."""
        self.budgets.epochs["demo"] = "epoch"
        self.budgets.sums["demo"], self.budgets.budgets["demo"] = Sum(), budget

    @property
    def context(self) -> FetchContext:
        return FetchContext(
            self.provider, self.calls, self.store, self.ledger, self.budgets, two_countries()
        )

    def lease(self, wanted: SlotRequest) -> SlotLease:
        """Return the lease of a slot that was begun."""
        return SlotLease(self.ledger, "demo", wanted, "owner", seconds=100)


class _NoChance(Random):
    def random(self) -> float:
        return 0.0


def request(index: int = 0, *candidates: Coordinate, fence: int = 1) -> SlotRequest:
    """Build a request for a slot of FR, with a candidate of its own if none is given."""
    places = candidates or (Coordinate(45 + index / 100, 2.0),)
    return SlotRequest(
        slot=SlotKey(country_code="FR", index=index),
        candidates=tuple((place.lat, place.lon) for place in places),
        fence=fence,
    )
