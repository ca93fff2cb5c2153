"""Positions on the earth."""

import math
from dataclasses import dataclass

from euguess.errors import InvalidCoordinate


@dataclass(frozen=True, slots=True)
class Coordinate:
    """A WGS84 position in degrees. Raises InvalidCoordinate for impossible values."""

    lat: float
    lon: float

    def __post_init__(self) -> None:
        finite = math.isfinite(self.lat) and math.isfinite(self.lon)
        if not finite or abs(self.lat) > 90 or abs(self.lon) > 180:
            raise InvalidCoordinate(
                f"lat {self.lat}, lon {self.lon}: latitude must be within -90..90 and "
                "longitude within -180..180"
            )

    @property
    def is_null_island(self) -> bool:
        """True near 0,0 (within about 100 m), the position in broken records."""
        return abs(self.lat) < 1e-3 and abs(self.lon) < 1e-3
