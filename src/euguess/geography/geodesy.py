"""Great-circle distances in kilometres between positions in degrees."""

import math

from euguess.geography.locations import Coordinate

EARTH_RADIUS_KM = 6371.0088  # mean radius R1 of GRS80 (Moritz, Geodetic Reference System 1980)


def great_circle_km(a: Coordinate, b: Coordinate) -> float:
    """Return the distance by the haversine formula (Sinnott, Sky and Telescope 68, 1984)."""
    lat_a, lat_b = math.radians(a.lat), math.radians(b.lat)
    half_dlat = (lat_b - lat_a) / 2
    half_dlon = math.radians(b.lon - a.lon) / 2
    chord = math.sin(half_dlat) ** 2 + math.cos(lat_a) * math.cos(lat_b) * math.sin(half_dlon) ** 2
    return 2 * EARTH_RADIUS_KM * math.asin(min(1.0, math.sqrt(chord)))
