"""Names and prices of the imagery providers."""

from dataclasses import dataclass
from enum import StrEnum


class ProviderName(StrEnum):
    """Source of the photos of a dataset, as spelled in datasets and settings."""

    SIMULATOR = "simulator"
    GOOGLE = "google"
    FOLDER = "folder"  # imported, not collected


COLLECTED = (ProviderName.SIMULATOR, ProviderName.GOOGLE)


@dataclass(frozen=True, slots=True)
class Tariff:
    """List price and rate limit of a provider."""

    dollars_per_image: float = 0.0
    free_images_a_month: int = 0
    requests_per_second: float | None = None  # None: no limit


# Google: Static Street View, essentials tier, without the volume discount above 100,000 images a
# month; looking up metadata is free. The limit is 30,000 requests a minute; we keep below it.
TARIFFS = {
    ProviderName.SIMULATOR: Tariff(),
    ProviderName.GOOGLE: Tariff(0.007, free_images_a_month=10_000, requests_per_second=400.0),
    ProviderName.FOLDER: Tariff(),
}


def tariff(provider: str) -> Tariff:
    """Return the tariff of a provider; one without a known price is free."""
    known = {name.value: one for name, one in TARIFFS.items()}
    return known.get(provider, Tariff())
