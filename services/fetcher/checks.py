"""Whether a found panorama is fit to be stored for a country; why not, as a short reason."""

from dataclasses import dataclass

from euguess.geography.boundaries import Boundaries
from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from services.fetcher.providers import Panorama


@dataclass(frozen=True, slots=True)
class Demand:
    """What a panorama must fulfil."""

    country_code: str
    max_distance_m: int  # own limit: providers treat their radius as a hint
    border_buffer_km: float


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an accepted panorama lies."""

    distance_m: float
    border_km: float


def place(
    panorama: Panorama, candidate: Coordinate, demand: Demand, boundaries: Boundaries
) -> Placement | str:
    """Placement of a good panorama, or the reason for refusing it.

    Its country is that of its own coordinate, never that of the candidate.
    """
    spot = panorama.coordinate
    if spot.is_null_island:
        return "null_island"
    if spot.lat == spot.lon:
        return "lat_equals_lon"
    if not panorama.is_official:
        return "user_photo"
    distance_m = 1000 * great_circle_km(candidate, spot)
    if distance_m > demand.max_distance_m:
        return "too_far"
    if boundaries.locate(spot) != demand.country_code:
        return "other_country"
    border_km = boundaries.border_km(spot, demand.country_code)
    if border_km < demand.border_buffer_km:
        return "near_border"
    return Placement(distance_m, border_km)
