"""Names and prices of the imagery providers, as datasets and settings spell them."""

from dataclasses import dataclass
from enum import StrEnum


class ProviderName(StrEnum):
    """Where the photos of a dataset come from."""

    SIMULATOR = "simulator"
    GOOGLE = "google"
    FOLDER = "folder"  # imported, not collected


COLLECTED = (ProviderName.SIMULATOR, ProviderName.GOOGLE)


@dataclass(frozen=True, slots=True)
class Tariff:
    """What images cost at list price, and how fast they may be asked for."""

    dollars_per_image: float = 0.0
    free_images_a_month: int = 0
    requests_per_second: float | None = None  # None: no limit


# Google: Static Street View, essentials tier, without the volume discount from 100,000 images a
# month on; looking up metadata is free. The limit is 30,000 requests a minute; we keep below it.
TARIFFS = {
    ProviderName.SIMULATOR: Tariff(),
    ProviderName.GOOGLE: Tariff(0.007, free_images_a_month=10_000, requests_per_second=400.0),
    ProviderName.FOLDER: Tariff(),
}


def tariff(provider: str) -> Tariff:
    """Of a provider by name; one without a known price costs nothing."""
    known = {name.value: one for name, one in TARIFFS.items()}
    return known.get(provider, Tariff())
