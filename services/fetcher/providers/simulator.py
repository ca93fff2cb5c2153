"""Client of the simulator, which serves drawn scenes through Google's API."""

from dataclasses import replace

import aiohttp

from euguess.collection.providers import ProviderName
from euguess.geography.locations import Coordinate
from services.fetcher.providers import Panorama
from services.fetcher.providers.google import GoogleAccess, GoogleProvider

ATTRIBUTION, LICENSE = "EUGuess simulator", "CC0-1.0"


class SimulatorProvider(GoogleProvider):
    """Google's client with the simulator's attribution and licence."""

    def __init__(self, session: aiohttp.ClientSession, access: GoogleAccess) -> None:
        super().__init__(
            session,
            access,
            name=ProviderName.SIMULATOR,
            price_per_image=0.0,
            requests_per_second=None,
        )

    async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
        found = await super().find(coordinate, radius_m)
        return found and replace(found, attribution=ATTRIBUTION, license=LICENSE)
