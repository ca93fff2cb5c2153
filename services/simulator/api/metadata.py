"""The metadata of a panorama, unchanged or altered by a fault."""

from dataclasses import dataclass, replace
from typing import Any

from euguess.geography.locations import Coordinate
from services.simulator.faults import FaultMode
from services.simulator.pano_ids import user_pano_id
from services.simulator.world import DEG_KM, Panorama, World

FAR_KM = 3498.0  # the largest error that a project reported
NULL_ISLAND = Coordinate(3.6e-08, 3.6e-08)  # as seen in real answers for Lisbon
CONTRIBUTOR = "© Maria Example"


@dataclass(frozen=True, slots=True)
class Metadata:
    """The fields of the metadata endpoint."""

    pano_id: str
    coordinate: Coordinate
    date: str | None
    copyright: str

    @classmethod
    def of(cls, panorama: Panorama) -> "Metadata":
        return cls(panorama.pano_id, panorama.coordinate, panorama.captured, panorama.copyright)

    def as_json(self) -> dict[str, Any]:
        date = {} if self.date is None else {"date": self.date}
        location = {"lat": self.coordinate.lat, "lng": self.coordinate.lon}
        return {
            "copyright": self.copyright,
            **date,
            "location": location,
            "pano_id": self.pano_id,
            "status": "OK",
        }


class MetadataFaults:
    """Applies faults to metadata; remembers the panorama that SAME_PANO repeats."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._repeated_id: str | None = None

    def apply(self, panorama: Panorama, mode: FaultMode) -> Metadata:
        """Return the faulty metadata. Raises KeyError for a mode that does not change metadata."""
        metadata = Metadata.of(panorama)
        coordinate = panorama.coordinate
        match mode:
            case FaultMode.FAR_PANO:
                return replace(metadata, coordinate=_far_from(coordinate))
            case FaultMode.NULL_ISLAND:
                return replace(metadata, coordinate=NULL_ISLAND)
            case FaultMode.LAT_EQ_LNG:
                return replace(metadata, coordinate=Coordinate(coordinate.lat, coordinate.lat))
            case FaultMode.USER_PHOTOSPHERE:
                user_id = user_pano_id(panorama.pano_id)
                return replace(metadata, copyright=CONTRIBUTOR, pano_id=user_id)
            case FaultMode.NO_DATE:
                return replace(metadata, date=None)
            case FaultMode.YEAR_ONLY_DATE:
                return replace(metadata, date=panorama.captured[:4])
            case FaultMode.ACROSS_BORDER:
                abroad = self._world.nearest_abroad(panorama)
                return Metadata.of(abroad) if abroad else self.apply(panorama, FaultMode.FAR_PANO)
            case FaultMode.SAME_PANO:
                self._repeated_id = self._repeated_id or panorama.pano_id
                return replace(metadata, pano_id=self._repeated_id)
        raise KeyError(mode)


def _far_from(coordinate: Coordinate) -> Coordinate:
    """Shift a coordinate by FAR_KM along its meridian, towards the equator and beyond."""
    shift_deg = FAR_KM / DEG_KM
    towards_equator = -1 if coordinate.lat > 0 else 1
    return Coordinate(coordinate.lat + towards_equator * shift_deg, coordinate.lon)
