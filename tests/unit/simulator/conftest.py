"""A simulated provider in this process, over a map of two countries."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer
from aiohttp.web import Application, Request
from numpy.typing import NDArray

from services.simulator.api.access import Access
from services.simulator.api.app import create_app
from services.simulator.api.counters import Counters
from services.simulator.api.google import StreetView
from services.simulator.faults import FaultScript, parse_fault
from services.simulator.imagery import CachedImagery
from services.simulator.scenes.renderer import DrawnImagery
from services.simulator.world import Coverage, World

SEED = 7
KEY = "test-key"

Client = TestClient[Request, Application]
StartSimulator = Callable[..., Awaitable[Client]]


class TwoCountries:
    """A map with FR at 0 to 10 degrees east and DE up to 20, both at 40 to 60 north."""

    def locate_many(
        self, lats: NDArray[np.float64], lons: NDArray[np.float64]
    ) -> Sequence[str | None]:
        pairs = zip(lats.tolist(), lons.tolist(), strict=True)
        return [self._locate(lat, lon) for lat, lon in pairs]

    def _locate(self, lat: float, lon: float) -> str | None:
        if not 40 < lat < 60 or not 0 < lon < 20:
            return None
        return "FR" if lon < 10 else "DE"


@pytest.fixture
def world() -> World:
    return World(seed=SEED, coverage=Coverage(0.7), country_map=TwoCountries())


@pytest.fixture
def world_with() -> Callable[[Coverage], World]:
    """Make a world with another coverage."""
    return lambda coverage: World(seed=SEED, coverage=coverage, country_map=TwoCountries())


@pytest.fixture
async def start_simulator(world: World) -> AsyncIterator[StartSimulator]:
    """Start a simulator on loopback with faults as on the command line."""
    clients: list[Client] = []

    async def start(
        *faults: str, signing_secret: str | None = None, denied_status: int = 200
    ) -> Client:
        street_view = StreetView(
            world=world,
            imagery=CachedImagery(DrawnImagery(seed=SEED), threads=1, cache_bytes=10**6),
            access=Access((KEY,), signing_secret),
            faults=FaultScript(tuple(parse_fault(fault) for fault in faults)),
            counters=Counters(),
            denied_status=denied_status,
        )
        client = TestClient(TestServer(create_app(street_view)))
        clients.append(client)
        await client.start_server()
        return client

    yield start
    for client in clients:
        await client.close()
