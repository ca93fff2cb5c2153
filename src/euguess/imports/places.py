"""Find photos of the same place, so that no place is both trained on and tested.

Two photos of a country show one place if they were taken within 100 m of each other; if the same
camera took them within five minutes; if their files are named alike; or if they look alike. A
position says more than a time, and a time more than a name.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import pairwise

import numpy as np

from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.images.perceptual_hash import near_links
from euguess.imports.photos import DIGITS_OF_ID, LabelledPhoto, location_id_of
from euguess.imports.series import camera_runs, named_alike
from euguess.messages.collection import PlaceSource

POSITION, TIME, NAME, COPY = "position", "time of capture", "file names", "look"

NEAR_KM = 0.1
BURST = timedelta(minutes=5)
# Bits of 64 that the perceptual hashes of near copies differ in. No two of 815,808 pairs of
# different places differ in fewer than 10.
COPY_BITS = 8
BURST_BITS = 12  # of photos that a camera took one after the other
CELL_DEGREES = 0.002  # of latitude, which is 220 m: more than NEAR_KM

Pair = tuple[int, int]


@dataclass
class _Groups:
    """Photos that were joined so far, and why."""

    parents: list[int]
    reasons: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))

    def root(self, one: int) -> int:
        while self.parents[one] != one:
            self.parents[one] = self.parents[self.parents[one]]
            one = self.parents[one]
        return one

    def join(self, pairs: Iterator[Pair], reason: str) -> None:
        for one, other in pairs:
            first, last = sorted((self.root(one), self.root(other)))
            self.parents[last] = first
            self.reasons[first] |= self.reasons.pop(last, set()) | {reason}

    def members(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = defaultdict(list)
        for one in range(len(self.parents)):
            found[self.root(one)].append(one)
        return found


def join_places(photos: Sequence[LabelledPhoto]) -> list[LabelledPhoto]:
    """Give photos of one place one location; a manifest's own locations stay as they are."""
    placed = [photo for photo in photos if photo.is_placed]
    by_country: dict[str, list[LabelledPhoto]] = defaultdict(list)
    for photo in photos:
        if not photo.is_placed:
            by_country[photo.country_code].append(photo)
    for group in by_country.values():
        placed += _joined(group)
    return placed


def _joined(photos: Sequence[LabelledPhoto]) -> Iterator[LabelledPhoto]:
    groups = _Groups(list(range(len(photos))))
    names = list(_by_name(photos))
    groups.join(_by_position(photos), POSITION)
    groups.join(_by_time(photos), TIME)
    groups.join(iter(names), NAME)
    groups.join(_by_look(photos), COPY)
    named = {index for pair in names for index in pair}
    for root, members in groups.members().items():
        evidence = [_source(photos[index], index in named) for index in members]
        source = max(evidence, key=list(PlaceSource).index)  # the least certain
        shared = {
            "location_id": location_id_of(photos[root].sha256[:DIGITS_OF_ID]),
            "place_known_by": source,
            "place_reasons": tuple(sorted(groups.reasons.get(root, ()))),
        }
        for index in members:
            yield replace(photos[index], **shared)  # type: ignore[arg-type] # by their names


def _source(photo: LabelledPhoto, is_named_alike: bool) -> PlaceSource:
    if photo.coordinate is not None:
        return PlaceSource.POSITION
    is_guessed = photo.taken_at is not None or is_named_alike
    return PlaceSource.GUESS if is_guessed else PlaceSource.UNKNOWN


def _by_position(photos: Sequence[LabelledPhoto]) -> Iterator[Pair]:
    """Yield the pairs that are near each other, by cells of the map and their neighbours."""
    cells: dict[Pair, list[int]] = defaultdict(list)
    places = [photo.coordinate for photo in photos]
    for index, place in enumerate(places):
        if place is None:
            continue
        for cell in _cells_around(place):
            for other in cells.get(cell, ()):
                there = places[other]
                if there is not None and great_circle_km(place, there) <= NEAR_KM:
                    yield index, other
        cells[_cell(place)].append(index)


def _cell(place: Coordinate) -> Pair:
    row = int(np.floor(place.lat / CELL_DEGREES))
    return row, int(np.floor(place.lon * _narrowing(row) / CELL_DEGREES))


def _narrowing(row: int) -> float:
    """Return how long a degree of longitude is in a row of cells, against one at the equator."""
    return float(np.cos(np.radians(row * CELL_DEGREES)))


def _cells_around(place: Coordinate) -> Iterator[Pair]:
    for row in (_cell(place)[0] + step for step in (-1, 0, 1)):
        column = int(np.floor(place.lon * _narrowing(row) / CELL_DEGREES))
        yield from ((row, column + step) for step in (-1, 0, 1))


def _by_time(photos: Sequence[LabelledPhoto]) -> Iterator[Pair]:
    cameras: dict[str, list[int]] = defaultdict(list)
    for index, photo in enumerate(photos):
        if photo.taken_at is not None:
            cameras[photo.camera].append(index)
    for taken in cameras.values():
        taken.sort(key=lambda index: str(photos[index].taken_at))
        for one, other in pairwise(taken):
            times = photos[one].taken_at, photos[other].taken_at
            is_burst = None not in times and times[1] - times[0] <= BURST  # type: ignore[operator]
            if is_burst and not _are_placed(photos[one], photos[other]):
                yield one, other


def _by_name(photos: Sequence[LabelledPhoto]) -> Iterator[Pair]:
    for one, other in named_alike([photo.path for photo in photos]):
        if not _are_placed(photos[one], photos[other]) and not _are_timed(
            photos[one], photos[other]
        ):
            yield one, other


def _by_look(photos: Sequence[LabelledPhoto]) -> Iterator[Pair]:
    hashes = np.array([photo.bits for photo in photos], dtype=np.uint64)
    yield from ((int(one), int(other)) for one, other in near_links(hashes, COPY_BITS))
    for run in camera_runs([photo.path for photo in photos]):
        for one, other in pairwise(run):
            if np.bitwise_count(hashes[one] ^ hashes[other]) <= BURST_BITS:
                yield one, other


def _are_placed(one: LabelledPhoto, other: LabelledPhoto) -> bool:
    return one.coordinate is not None and other.coordinate is not None


def _are_timed(one: LabelledPhoto, other: LabelledPhoto) -> bool:
    return one.taken_at is not None and other.taken_at is not None
