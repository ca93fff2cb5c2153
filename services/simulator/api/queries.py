"""Query parameters of the Street View Static API."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from euguess.errors import InvalidInput
from euguess.geography.locations import Coordinate

MAX_SIDE_PX = 640  # larger pictures are served at this size
DEFAULT_RADIUS_M = 50.0
DEFAULT_FOV_DEG = 90.0
MAX_FOV_DEG = 120.0
SOURCES = ("default", "outdoor")


class InvalidQuery(InvalidInput):
    """A parameter is missing or invalid."""


class UnknownAddress(InvalidInput):
    """The location is an address; the simulator finds only coordinates."""


@dataclass(frozen=True, slots=True)
class Search:
    """A search for a panorama by id, or for the nearest one to a coordinate."""

    pano_id: str | None
    location: Coordinate | None
    radius_m: float

    @property
    def subject(self) -> str:
        """The requested panorama or coordinate as text."""
        if self.location is None:
            return f"pano {self.pano_id}"
        return f"location {self.location.lat:.7f},{self.location.lon:.7f}"


@dataclass(frozen=True, slots=True)
class Camera:
    """Size and direction of a picture; without a heading it faces the requested location."""

    width: int
    height: int
    heading: float | None
    fov: float
    pitch: float


def parse_search(query: Mapping[str, str]) -> Search:
    """Parse pano or location, source and radius. Raises InvalidQuery or UnknownAddress."""
    pano_id = query.get("pano") or None
    text = query.get("location", "").strip()
    if pano_id is None and not text:
        raise InvalidQuery("Invalid request. Missing the 'location' or 'pano' parameter.")
    if query.get("source", "default") not in SOURCES:
        raise InvalidQuery("Invalid request. Invalid 'source' parameter.")
    radius_m = _number(query, "radius", DEFAULT_RADIUS_M, low=0, high=math.inf)
    # The panorama wins when both are given.
    location = _parse_location(text) if pano_id is None else None
    return Search(pano_id, location, radius_m)


def parse_camera(query: Mapping[str, str]) -> Camera:
    """Parse size, heading, fov and pitch. Raises InvalidQuery."""
    width, height = parse_size(query)
    heading = _number(query, "heading", 0, low=0, high=360) if "heading" in query else None
    fov = _number(query, "fov", DEFAULT_FOV_DEG, low=1, high=MAX_FOV_DEG)
    pitch = _number(query, "pitch", 0, low=-90, high=90)
    return Camera(width, height, heading, fov, pitch)


def parse_size(query: Mapping[str, str]) -> tuple[int, int]:
    """Parse width and height in pixels. Raises InvalidQuery."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", query.get("size", ""))
    if match is None or "0" in (match[1].lstrip("0") or "0", match[2].lstrip("0") or "0"):
        raise InvalidQuery("Invalid request. Missing or invalid 'size' parameter.")
    return min(int(match[1]), MAX_SIDE_PX), min(int(match[2]), MAX_SIDE_PX)


def _parse_location(text: str) -> Coordinate:
    parts = text.split(",")
    try:
        lat, lon = (float(part) for part in parts)
    except ValueError:
        raise UnknownAddress from None
    try:
        return Coordinate(lat, lon)
    except InvalidInput:
        raise InvalidQuery("Invalid request. Invalid 'location' parameter.") from None


def _number(
    query: Mapping[str, str], name: str, default: float, *, low: float, high: float
) -> float:
    try:
        value = float(query.get(name, default))
    except ValueError:
        value = math.nan
    if not low <= value <= high or math.isinf(value):
        raise InvalidQuery(f"Invalid request. Invalid '{name}' parameter.")
    return value
