"""A provider, a ledger and boundaries in memory, for tests of the fetcher."""

import asyncio
import io
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cache
from random import Random

import numpy as np
from PIL import Image
from redis.asyncio import Redis
from shapely.geometry import box

from euguess.collection.budget import Sum
from euguess.collection.ledger import Ledger
from euguess.geography.boundaries import Boundaries
from euguess.geography.locations import Coordinate
from euguess.messages.collection import (
    Budget,
    DatasetSpec,
    DeadLetter,
    SlotKey,
    SlotOutcome,
    SlotRequest,
)
from euguess.storage import ObjectStore
from services.fetcher.calls import Calls
from services.fetcher.context import FetchContext
from services.fetcher.providers import Panorama, View
from services.fetcher.ratelimit import RateLimit
from tests.support.budget_fakes import FakeBudgetLedger

SIZE = 64
SPEC = DatasetSpec(name="demo", quotas={"FR": 60}, size=SIZE, border_buffer_km=2)
IN_FRANCE = Coordinate(47.0, 2.0)


def photo(seed: int = 0, size: int = SIZE) -> bytes:
    """A noisy JPEG."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG")
    return buffer.getvalue()


@cache
def two_countries() -> Boundaries:
    """FR and DE as rectangles that touch at 5 degrees east."""
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
    """Answers by functions that a test may replace; counts what it was asked for."""

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


class FakeLedger(Ledger):
    """The parts of a ledger that fetchers use, without Redis."""

    def __init__(self) -> None:
        super().__init__(Redis())  # connects to nothing by itself
        self.fences: dict[SlotKey, int] = {}
        self.recorded: list[SlotOutcome] = []
        self.reserved: dict[str, SlotKey] = {}
        self.intents: set[str] = set()
        self.again = 0
        self.pauses: dict[str, tuple[str, float | None]] = {}
        self.letters: list[DeadLetter] = []

    async def begin(self, dataset: str, slot: SlotKey, fence: int, seconds: float) -> bool:
        is_current = self.fences.get(slot, 0) <= fence
        if is_current:
            self.fences[slot] = fence
        return is_current

    async def record(self, outcome: SlotOutcome) -> None:
        self.recorded.append(outcome)

    async def reserve_panorama(self, dataset: str, location_id: str, slot: SlotKey) -> bool:
        return self.reserved.setdefault(location_id, slot) == slot

    async def intend(self, dataset: str, image: str) -> bool:
        is_new = image not in self.intents
        self.intents.add(image)
        return is_new

    async def settle(self, dataset: str, images: Iterable[str]) -> None:
        self.intents.difference_update(images)

    async def count_possibly_paid(self, dataset: str) -> None:
        self.again += 1

    async def possibly_paid(self, dataset: str) -> int:
        return self.again + len(self.intents)

    async def pause(self, provider: str, reason: str, seconds: float | None) -> None:
        self.pauses[provider] = (reason, seconds)

    async def paused(self, provider: str) -> str | None:
        return self.pauses[provider][0] if provider in self.pauses else None

    async def bury(self, letter: DeadLetter) -> None:
        self.letters.append(letter)


@dataclass
class Bench:
    """Everything that the work on slots needs, in memory."""

    store: ObjectStore
    provider: FakeProvider = field(default_factory=FakeProvider)
    ledger: FakeLedger = field(default_factory=FakeLedger)

    budgets: FakeBudgetLedger = field(default_factory=FakeBudgetLedger)

    def __post_init__(self) -> None:
        self.open_account(None)
        unlimited = RateLimit(Redis(), "simulator", None)
        # A chance of 0 makes all waits nothing.
        self.calls = Calls(unlimited, chance=_NoChance())

    def open_account(self, budget: Budget | None) -> None:
        """As the sampler does before it publishes."""
        self.budgets.epochs["demo"] = "epoch"
        self.budgets.sums["demo"], self.budgets.budgets["demo"] = Sum(), budget

    @property
    def context(self) -> FetchContext:
        return FetchContext(
            self.provider, self.calls, self.store, self.ledger, self.budgets, two_countries()
        )


class _NoChance(Random):
    def random(self) -> float:
        return 0.0


def request(index: int = 0, *candidates: Coordinate, fence: int = 1) -> SlotRequest:
    """A slot of FR; its own candidate if none is given."""
    places = candidates or (Coordinate(45 + index / 100, 2.0),)
    return SlotRequest(
        slot=SlotKey(country_code="FR", index=index),
        candidates=tuple((place.lat, place.lon) for place in places),
        fence=fence,
    )
