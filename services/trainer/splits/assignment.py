"""Assignment of groups of units to train, val and test, country by country."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.trainer.dataset.proximity import SpatialIndex, distances_km
from services.trainer.dataset.view_index import Rows
from services.trainer.splits.units import Units

MIN_UNITS_IN_TRAIN = 3  # a country with at least this many units always has some in train
MAX_DROPPED_SHARE = 0.5  # a group is not cut if that would drop a larger share of it


class Assignment(IntEnum):
    """The set that a unit is in; dropped units are too close to units of another set."""

    DROPPED = -1
    TRAIN = 0
    VAL = 1
    TEST = 2


Assignments = NDArray[np.int64]  # of Assignment values


@dataclass(frozen=True)
class Shares:
    """Fractions of a country's units for val and test."""

    val: float
    test: float

    def counts(self, units: int) -> tuple[int, int]:
        """Return the target numbers of val and test units: at least one each for three units."""
        test = max(round(units * self.test), 1) if self.test else 0
        test = min(test, units - 1)
        val = max(round(units * self.val), 1) if self.val else 0
        return min(val, units - test - 1), test


def assign_units(units: Units, shares: Shares, rng: np.random.Generator) -> Assignments:
    """Assign each unit; groups stay whole, except large ones that a buffer can cut."""
    assignments = np.full(len(units), Assignment.TRAIN, dtype=np.int64)
    order = rng.permutation(len(units))
    home = _home_countries(units)
    for code in np.unique(units.country_codes):
        mine = order[home[units.groups[order]] == code]
        if len(mine):
            _fill(units, shares, mine, assignments)
    _return_to_train(units, assignments)
    return assignments


def _home_countries(units: Units) -> NDArray[np.str_]:
    """Return the country with the most units of each group (in a tie, the first by code)."""
    codes, labels = np.unique(units.country_codes, return_inverse=True)
    pairs, counts = np.unique(units.groups * len(codes) + labels, return_counts=True)
    groups, labels = np.divmod(pairs, len(codes))
    order = np.lexsort((labels, -counts, groups))
    _, first = np.unique(groups[order], return_index=True)
    return np.asarray(codes[labels[order][first]])


def _fill(units: Units, shares: Shares, mine: Rows, assignments: Assignments) -> None:
    """Assign the groups of one country, whose units are in random order.

    Groups larger than the country's test share are cut, or stay in train if they cannot be.
    """
    groups = _by_group(units.groups[mine], mine)
    limit = shares.counts(len(mine))[1]
    for members in groups:
        if len(members) > limit and units.buffer_km:
            assignments[members] = _cut(units, shares, members)
    small = [members for members in groups if len(members) <= limit]
    val_left, test_left = shares.counts(sum(map(len, small)))
    for members in small:
        if len(members) <= test_left:
            assignments[members] = Assignment.TEST
            test_left -= len(members)
        elif len(members) <= val_left:
            assignments[members] = Assignment.VAL
            val_left -= len(members)


def _by_group(groups: Rows, units: Rows) -> list[Rows]:
    """Return the units of each group; groups and units are in the given order."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.argsort(first[inverse], kind="stable")
    borders = np.flatnonzero(np.diff(inverse[order])) + 1
    return np.split(units[order], borders)


def _cut(units: Units, shares: Shares, members: Rows) -> Assignments:
    """Divide a large group by distance from its first unit: test, then train, then val.

    Units within the buffer of others are dropped; if these are too many, all stay in train.
    """
    whole = np.full(len(members), Assignment.TRAIN, dtype=np.int64)
    lats, lons = units.lats[members], units.lons[members]
    outwards = np.argsort(distances_km(lats[0], lons[0], lats, lons), kind="stable")
    val, test = shares.counts(len(members))
    cut = whole.copy()
    cut[outwards[:test]] = Assignment.TEST
    cut[outwards[len(members) - val :]] = Assignment.VAL
    near = SpatialIndex.of(lats, lons)
    for kept, dropped in (
        (Assignment.TEST, Assignment.VAL),
        (Assignment.TEST, Assignment.TRAIN),
        (Assignment.VAL, Assignment.TRAIN),
    ):
        rows = np.flatnonzero(cut == dropped)
        found = near.nearest(np.flatnonzero(cut == kept), rows, units.buffer_km)
        cut[rows[found >= 0]] = Assignment.DROPPED
    cut[_mixed(units.twins[members], cut)] = Assignment.DROPPED
    is_costly = np.mean(cut == Assignment.DROPPED) > MAX_DROPPED_SHARE
    return whole if is_costly or Assignment.TRAIN not in cut else cut


def _mixed(twins: Rows, assignments: Assignments) -> NDArray[np.bool_]:
    """Find the units that share an image with a unit assigned elsewhere."""
    _, inverse = np.unique(twins, return_inverse=True)
    low = np.full(inverse.max() + 1, Assignment.TEST, dtype=np.int64)
    high = np.full(inverse.max() + 1, Assignment.DROPPED, dtype=np.int64)
    np.minimum.at(low, inverse, assignments)
    np.maximum.at(high, inverse, assignments)
    return np.asarray((low != high)[inverse])


def _return_to_train(units: Units, assignments: Assignments) -> None:
    """Move groups back to train until every country with enough units has some there."""
    for code in np.unique(units.country_codes):
        mine = units.country_codes == code
        if np.sum(mine) >= MIN_UNITS_IN_TRAIN and not np.any(assignments[mine] == Assignment.TRAIN):
            group = np.bincount(units.groups[mine]).argmax()
            assignments[units.groups == group] = Assignment.TRAIN
