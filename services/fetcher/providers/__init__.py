"""Interface to sources of street-level photos, and the errors they raise."""

from dataclasses import dataclass
from typing import Protocol

from euguess.errors import EUGuessError
from euguess.geography.locations import Coordinate


@dataclass(frozen=True, slots=True, kw_only=True)
class Panorama:
    """A panorama near a coordinate. `coordinate` is the camera's own position."""

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
    """A source of photos. Both calls raise the errors below, whose texts never hold a key."""

    @property
    def name(self) -> str:
        """Prefix of location ids."""

    @property
    def price_per_image(self) -> float:
        """US dollars."""

    @property
    def requests_per_second(self) -> float | None:
        """Limit shared by all workers; None means no limit."""

    async def find(self, coordinate: Coordinate, radius_m: int) -> Panorama | None:
        """Return the panorama nearest to a coordinate; None when there is no coverage."""

    async def fetch(self, panorama_id: str, view: View) -> bytes:
        """Download one JPEG, not yet verified."""


class ProviderError(EUGuessError):
    """A call to the imagery provider failed."""

    may_be_billed = False  # whether an image call that fails like this may have been charged


class TransientError(ProviderError):
    """The imagery provider has a temporary problem."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class NoAnswer(TransientError):
    """The imagery provider did not answer, or the answer was cut short."""

    may_be_billed = True


class QuotaExceeded(TransientError):
    """The quota at the imagery provider is exceeded for now."""


class AccessDenied(ProviderError):
    """The imagery provider refuses the key; no request can succeed until that is fixed."""


class Blocked(ProviderError):
    """Something else answers in place of the provider, such as a login page."""

    may_be_billed = True


class Refused(ProviderError):
    """The imagery provider refuses this request, and would refuse it again."""


class ImageryGone(ProviderError):
    """The panorama no longer exists; its id may have changed."""


class UnusablePanorama(ProviderError):
    """The panorama's metadata is invalid, or cannot be stored."""


class BadImage(TransientError):
    """The downloaded bytes are not the requested photo."""

    may_be_billed = True
