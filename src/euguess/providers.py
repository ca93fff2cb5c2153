"""Names of the imagery providers, as datasets and settings spell them."""

from enum import StrEnum


class ProviderName(StrEnum):
    """Where the photos of a dataset come from."""

    SIMULATOR = "simulator"
    GOOGLE = "google"
    FOLDER = "folder"  # imported, not collected


COLLECTED = (ProviderName.SIMULATOR, ProviderName.GOOGLE)
