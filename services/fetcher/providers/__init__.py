"""Where street-level photos come from: the interface, and its troubles by type."""

from dataclasses import dataclass
from typing import Protocol

from euguess.errors import EUGuessError
from euguess.geography.locations import Coordinate


@dataclass(frozen=True, slots=True, kw_only=True)
class Panorama:
    """What a provider has near a coordinate. `coordinate` is the camera's own position."""

    panorama_id: str
    coordinate: Coordinate
    captured_at: str | None
    attribution: str
    license: str
    is_official: bool = True  # False for photos that users uploaded


@dataclass(frozen=True, slots=True)
class View:
    """A perspective crop of a panorama: degrees, and the side of the square in pixels."""

    heading: int
    fov: int
    pitch: int
    size: int


class StreetImageProvider(Protocol):
    """A source of photos. Both calls raise the troubles below and never mention a key."""

    @property
    def name(self) -> str:
        """Prefix of location ids."""

    @property
    def price_per_image(self) -> float:
        """US dollars."""

    @property
    def requests_per_second(self) -> float | None:
        """Limit over all workers; None when there is none."""

    async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
        """The panorama nearest to a coordinate; None when there is no coverage."""

    async def fetch(self, panorama_id: str, view: View) -> bytes:
        """One JPEG, not yet verified."""


class ProviderTrouble(EUGuessError):
    """The imagery provider did not answer as it should."""

    may_be_billed = False  # whether a call for an image that ends so may have been charged


class Transient(ProviderTrouble):
    """The imagery provider has a passing trouble."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoAnswer(Transient):
    """The imagery provider did not answer, or not to the end."""

    may_be_billed = True


class QuotaSpent(Transient):
    """The quota of the imagery provider is spent for now."""


class AccessDenied(ProviderTrouble):
    """The imagery provider refuses the key; no request can succeed until that is mended."""


class Blocked(ProviderTrouble):
    """Something else answers in place of the provider, such as a login page."""

    may_be_billed = True


class Refused(ProviderTrouble):
    """The imagery provider refuses this request; the same one again would be refused too."""


class ImageryGone(ProviderTrouble):
    """The panorama is no longer there; its id may have changed."""


class UnusablePanorama(ProviderTrouble):
    """What is said about the panorama cannot be true, or cannot be stored."""


class BadImage(Transient):
    """What came is not the photo that was asked for."""

    may_be_billed = True
