"""Leaks between test and training data, and locations that a model has not seen."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from euguess.messages.training import SeenViews
from euguess.training.report import LeakingPair
from services.trainer.dataset.copies import nearest_copies
from services.trainer.dataset.proximity import SpatialIndex, distances_km
from services.trainer.dataset.view_index import Rows, Strings, ViewIndex
from services.trainer.splits.splits import Split

NAMED_PAIRS = 20  # of each kind


class LeakKind(StrEnum):
    """Kinds of overlap between a test view and a training view."""

    LOCATION = "location"
    PANORAMA = "panorama"
    IMAGE = "image"  # the same bytes
    COPY = "copy"  # other bytes, but the same picture by perceptual hash
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class Leak:
    """A test row and a training row of the index that are not independent."""

    kind: LeakKind
    train_row: int
    test_row: int


def find_leaks(index: ViewIndex, split: Split, *, buffer_km: float = 0.0) -> list[Leak]:
    """Find at most one leak of each kind per test row; distances count if buffer_km > 0.

    A test view of a training location is a location leak, and an image leak if it has the same
    bytes, but no other kind. An image with the same bytes is not counted as a copy.
    """
    leaks = [
        *_shared(LeakKind.LOCATION, index.location_ids, split),
        *_shared(LeakKind.IMAGE, index.sha256s, split),
    ]
    test = split.test[~_is_shared(index.location_ids, split)]
    elsewhere = Split(split.train, split.val, test, split.dropped)
    if index.panorama_ids is not None:
        leaks += _shared(LeakKind.PANORAMA, index.panorama_ids, elsewhere)
    if index.hashes is not None:
        leaks += _copies(index, elsewhere)
    if buffer_km > 0:
        leaks += _too_near(index, elsewhere, buffer_km)
    return leaks


def count_leaks(leaks: Sequence[Leak]) -> dict[str, int]:
    """Count test views by kind of leak; a view may count under several kinds."""
    kinds = [leak.kind.value for leak in leaks]
    return {kind: kinds.count(kind) for kind in sorted(set(kinds))}


def name_pairs(index: ViewIndex, leaks: Sequence[Leak]) -> tuple[LeakingPair, ...]:
    """Describe the first NAMED_PAIRS leaks of each kind."""
    by_kind = ([leak for leak in leaks if leak.kind is kind] for kind in LeakKind)
    return tuple(_named(index, leak) for some in by_kind for leak in some[:NAMED_PAIRS])


def _named(index: ViewIndex, leak: Leak) -> LeakingPair:
    one, other = leak.test_row, leak.train_row
    lats, lons = index.lats, index.lons
    apart_km = float(distances_km(lats[one], lons[one], lats[other], lons[other]))
    return LeakingPair(
        kind=leak.kind.value,
        test_location=str(index.location_ids[one]),
        test_heading=float(index.headings[one]),
        train_location=str(index.location_ids[other]),
        train_heading=float(index.headings[other]),
        distance_km=None if np.isnan(apart_km) else apart_km,
        bits=_bits(index, one, other),
    )


def _bits(index: ViewIndex, one: int, other: int) -> int | None:
    if index.hashes is None:
        return None
    return int(np.bitwise_count(index.hashes[one] ^ index.hashes[other]))


def _shared(kind: LeakKind, names: NDArray[np.str_], split: Split) -> Iterator[Leak]:
    trained, first = np.unique(names[split.train], return_index=True)
    if not len(trained):
        return
    found = np.minimum(np.searchsorted(trained, names[split.test]), len(trained) - 1)
    is_shared = trained[found] == names[split.test]
    yield from _leaks(kind, split.train[first[found]][is_shared], split.test[is_shared])


def _is_shared(names: Strings, split: Split) -> NDArray[np.bool_]:
    return np.isin(names[split.test], names[split.train])


def _copies(index: ViewIndex, split: Split) -> Iterator[Leak]:
    if index.hashes is None:
        return
    test = split.test[~_is_shared(index.sha256s, split)]
    found = nearest_copies(index.hashes[test], index.hashes[split.train])
    yield from _leaks(LeakKind.COPY, split.train[found[found >= 0]], test[found >= 0])


def _too_near(index: ViewIndex, split: Split, buffer_km: float) -> Iterator[Leak]:
    places = SpatialIndex.of(index.lats, index.lons)
    nearest = places.nearest(split.train, split.test, buffer_km)
    yield from _leaks(LeakKind.DISTANCE, nearest[nearest >= 0], split.test[nearest >= 0])


def _leaks(kind: LeakKind, train: Rows, test: Rows) -> Iterator[Leak]:
    for train_row, test_row in zip(train, test, strict=True):
        yield Leak(kind, int(train_row), int(test_row))


def unseen_locations(index: ViewIndex, seen: SeenViews, apart_km: float = 0.0) -> Strings:
    """Return the sorted ids of locations that a model has not seen.

    The model must have seen neither the location nor its panorama nor a copy of one of its photos
    nor, with apart_km above zero, another location within that distance.
    """
    is_known = np.isin(index.location_ids, seen.location_ids) | np.isin(index.sha256s, seen.sha256s)
    if index.panorama_ids is not None:
        is_known |= np.isin(index.panorama_ids, seen.panorama_ids)
    if index.hashes is not None:
        is_known |= nearest_copies(index.hashes, np.array(seen.hashes, dtype=np.uint64)) >= 0
    if apart_km and seen.positions:
        is_known |= _is_near(index, seen, apart_km)
    return np.setdiff1d(index.location_ids, index.location_ids[is_known])


def _is_near(index: ViewIndex, seen: SeenViews, km: float) -> NDArray[np.bool_]:
    lats, lons = np.array(seen.positions).T
    places = SpatialIndex.of(np.append(lats, index.lats), np.append(lons, index.lons))
    known, rows = np.split(np.arange(len(lats) + len(index)), [len(lats)])
    return np.asarray(places.nearest(known, rows, km) >= 0)
