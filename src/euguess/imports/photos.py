"""A labelled photo, and the errors of one that cannot be imported."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from euguess.errors import InvalidInput
from euguess.geography.locations import Coordinate
from euguess.messages.collection import PlaceSource

FOLDER = "folder-"  # before the name of an imported location
DIGITS_OF_ID = 20  # of the SHA-256 of the photo that a location is named by


class NotImported(InvalidInput):
    """The file is left out of the import: `reason` is one of few, `detail` is about this file."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason} ({detail})" if detail else reason)
        self.reason, self.detail = reason, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPhoto:
    """A checked photo with its label. `where` is its position in the manifest or folder."""

    where: str
    path: Path
    country_code: str
    labelled_by: str  # the rule that gave the country; empty: the manifest
    doubt: str = ""  # what speaks against the country
    location_id: str
    is_placed: bool  # its manifest names its place
    place_known_by: PlaceSource
    place_reasons: tuple[str, ...] = ()
    coordinate: Coordinate | None
    heading: float
    heading_is_relative: bool
    attribution: str
    license: str
    captured_at: str | None
    taken_at: datetime | None  # by the clock of the camera
    camera: str
    bits: int  # perceptual hash
    sha256: str
    size: tuple[int, int]
    suffix: str  # of the actual format of its bytes


def location_id_of(name: str) -> str:
    """Return the id of a location by the name that a manifest gives it.

    The manifest of an export has ids of locations, which stay as they are.
    """
    return f"{FOLDER}{name.removeprefix(FOLDER)}"
