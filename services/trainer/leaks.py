"""What a test part shares with the training part of a split."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from services.trainer.proximity import Neighbourhood
from services.trainer.splits import Split
from services.trainer.view_index import Rows, ViewIndex


class LeakKind(StrEnum):
    """What is shared."""

    LOCATION = "location"
    IMAGE = "image"
    DISTANCE = "distance"


@dataclass(frozen=True, slots=True)
class Leak:
    """A row of the index that is tested, and one that is trained on, which are not independent."""

    kind: LeakKind
    train_row: int
    test_row: int


def find_leaks(index: ViewIndex, split: Split, *, buffer_km: float = 0.0) -> list[Leak]:
    """At most one leak of each kind per test row; distances are looked at if buffer_km > 0.

    A test view of a location that is trained on counts as a location leak, not as a distance leak.
    """
    leaks = [
        *_shared(LeakKind.LOCATION, index.location_ids, split),
        *_shared(LeakKind.IMAGE, index.sha256s, split),
    ]
    if buffer_km > 0:
        leaks += _too_near(index, split, buffer_km)
    return leaks


def _shared(kind: LeakKind, names: NDArray[np.str_], split: Split) -> Iterator[Leak]:
    trained, first = np.unique(names[split.train], return_index=True)
    if not len(trained):
        return
    found = np.minimum(np.searchsorted(trained, names[split.test]), len(trained) - 1)
    is_shared = trained[found] == names[split.test]
    yield from _leaks(kind, split.train[first[found]][is_shared], split.test[is_shared])


def _too_near(index: ViewIndex, split: Split, buffer_km: float) -> Iterator[Leak]:
    shared = np.isin(index.location_ids[split.test], index.location_ids[split.train])
    test = split.test[~shared]
    nearest = Neighbourhood.of(index.lats, index.lons).nearest(split.train, test, buffer_km)
    yield from _leaks(LeakKind.DISTANCE, nearest[nearest >= 0], test[nearest >= 0])


def _leaks(kind: LeakKind, train: Rows, test: Rows) -> Iterator[Leak]:
    for train_row, test_row in zip(train, test, strict=True):
        yield Leak(kind, int(train_row), int(test_row))
