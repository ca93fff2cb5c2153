"""Assignment of groups of units to train, val and test by their draws, within bounds per country.

A group whose draw is below the test fraction is tested; the next val fraction is for val, and the
rest is for training. Only where a country then has more or less in a set than its bounds allow do
groups move, those with the nearest draws first:

- The least is one unit in train; with two units, also one in test; with three, also one in val.
  The most in test leaves the others these.
- If groups are regions, the least for train and test is half their fraction of the country's units
  and the most for test and val is twice theirs: a region may hold a third of a country.
- Train gets its least first, then test, then val, each starting with the country that has the
  fewest groups. A set takes nothing that a country needs for an earlier one.
- Tested groups move last, so that the test set hardly depends on the val fraction; before them,
  those that would give some country more than the most.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from services.trainer.dataset.proximity import SpatialIndex
from services.trainer.dataset.view_index import Floats, Rows
from services.trainer.splits.draws import group_draws
from services.trainer.splits.units import Units

MIN_UNITS_IN_TRAIN = 3  # a country with at least this many units always has some in train
# Bounds of a region's set, as shares of its fraction of a country's units.
LEAST_SHARE = 0.5
MOST_SHARE = 2.0


class Assignment(IntEnum):
    """The set that a unit is in; dropped units are too close to units of another set."""

    DROPPED = -1
    TRAIN = 0
    VAL = 1
    TEST = 2


BY_DRAW = (Assignment.TEST, Assignment.VAL, Assignment.TRAIN)
BY_NEED = (Assignment.TRAIN, Assignment.TEST, Assignment.VAL)
Assignments = NDArray[np.int64]  # of Assignment values
Counts = NDArray[np.int64]


@dataclass(frozen=True)
class Shares:
    """Fractions of the units for val and test."""

    val: float
    test: float

    def interval(self, part: Assignment) -> tuple[float, float]:
        """Return the lowest draw of a set, and the lowest one above it."""
        borders = (0.0, self.test, self.test + self.val, 1.0)
        place = BY_DRAW.index(part)
        return borders[place], borders[place + 1]

    def by_draw(self, draws: Floats) -> Assignments:
        """Return the set of each draw."""
        borders = [self.test, self.test + self.val]
        return np.array(BY_DRAW)[np.searchsorted(borders, draws, side="right")]

    def least(self, part: Assignment, sizes: Counts, *, are_regions: bool) -> Counts:
        """Return the least units in a set, for countries of these sizes."""
        low, high = self.interval(part)
        if high <= low:
            return np.zeros_like(sizes)
        one = (sizes > BY_NEED.index(part)).astype(np.int64)
        if not are_regions or part is Assignment.VAL:
            return one
        share = np.floor(sizes * (high - low) * LEAST_SHARE).astype(np.int64)
        return np.asarray(np.maximum(one, share))

    def most(self, part: Assignment, sizes: Counts, *, are_regions: bool) -> Counts:
        """Return the most units in a set, for countries of these sizes."""
        if part is Assignment.TRAIN:
            return sizes
        low, high = self.interval(part)
        kept = np.clip(sizes - 1, 0, 2) if part is Assignment.TEST else 0
        share = np.ceil(sizes * (high - low) * MOST_SHARE) if are_regions else sizes
        most = np.maximum(np.minimum(share, sizes - kept), sizes > 1)
        return np.asarray(most, dtype=np.int64)


def assign_units(units: Units, shares: Shares, seed: int) -> Assignments:
    """Assign each unit; groups stay whole. With a buffer, units too near to others are dropped."""
    balance = _Balance.of(units, shares, group_draws(units.names, units.groups, seed))
    balance.restore()
    return _kept_apart(units, balance.sets) if units.buffer_km else balance.sets[units.groups]


@dataclass(frozen=True)
class _Balance:
    """The units of each country in each set, kept up to date while groups move."""

    shares: Shares
    draws: Floats
    sets: Assignments  # of groups; changed in place
    counts: Counts  # units by group and country
    least: dict[Assignment, Counts]
    most: dict[Assignment, Counts]
    held: dict[Assignment, Counts]

    @classmethod
    def of(cls, units: Units, shares: Shares, draws: Floats) -> "_Balance":
        codes, labels = np.unique(units.country_codes, return_inverse=True)
        counts = np.zeros((len(draws), len(codes)), dtype=np.int64)
        np.add.at(counts, (units.groups, labels), 1)
        sizes, sets, are_regions = counts.sum(axis=0), shares.by_draw(draws), units.are_regions
        least = {part: shares.least(part, sizes, are_regions=are_regions) for part in BY_NEED}
        most = {part: shares.most(part, sizes, are_regions=are_regions) for part in BY_NEED}
        held = {part: counts[sets == part].sum(axis=0) for part in BY_NEED}
        return cls(shares, draws, sets, counts, least, most, held)

    def restore(self) -> None:
        """Bring all countries within their bounds where their groups allow it."""
        order = np.argsort((self.counts > 0).sum(axis=0), kind="stable")
        for part in BY_NEED:
            for country in order[(self.held[part] > self.most[part])[order]]:
                self._give_back(part, country)
        for part in BY_NEED:
            for country in order[(self.held[part] < self.least[part])[order]]:
                self._fill(part, country)

    def _give_back(self, part: Assignment, country: int) -> None:
        """Move groups from a set to train until a country has no more than its most."""
        mine = np.flatnonzero((self.counts[:, country] > 0) & (self.sets == part))
        for group in mine[np.argsort(-self.draws[mine], kind="stable")]:
            if self.held[part][country] > self.most[part][country]:
                self._move(group, Assignment.TRAIN)

    def _fill(self, part: Assignment, country: int) -> None:
        """Move groups to a set until a country has its least."""
        others = np.flatnonzero((self.counts[:, country] > 0) & (self.sets != part))
        are_tested = self.sets[others] == Assignment.TEST
        keys = (self._gaps(others, part), self._are_large(others, part), are_tested)
        for group in others[np.lexsort(keys)]:
            if self.held[part][country] < self.least[part][country] and self._is_free(group, part):
                self._move(group, part)

    def _gaps(self, groups: Rows, part: Assignment) -> Floats:
        """Return the distance of each group's draw from those of a set."""
        low, high = self.shares.interval(part)
        return np.asarray(np.maximum(low - self.draws[groups], self.draws[groups] - high))

    def _are_large(self, groups: Rows, part: Assignment) -> NDArray[np.bool_]:
        """Tell which groups would give some country of theirs more than the most."""
        is_over = self.held[part] + self.counts[groups] > self.most[part]
        return np.asarray((is_over & (self.counts[groups] > 0)).any(axis=1))

    def _is_free(self, group: int, part: Assignment) -> bool:
        """Tell whether a group may move to a set: no country needs it where it is."""
        old = Assignment(self.sets[group])
        left = self.held[old] - self.counts[group]
        is_needed = (left < self.least[old]) & (self.counts[group] > 0)
        return BY_NEED.index(old) > BY_NEED.index(part) or not is_needed.any()

    def _move(self, group: int, part: Assignment) -> None:
        self.held[Assignment(self.sets[group])] -= self.counts[group]
        self.held[part] += self.counts[group]
        self.sets[group] = part


def _kept_apart(units: Units, sets: Assignments) -> Assignments:
    """Drop units within the buffer of another set's.

    While that leaves a country of at least MIN_UNITS_IN_TRAIN units without any in train, the group
    that lies nearest to most of its units is put in train, too.
    """
    places = SpatialIndex.of(units.lats, units.lons)
    while True:
        assignments = _without_near(places, sets[units.groups], units.buffer_km)
        code = _untrained(units, assignments)
        if code is None:
            return assignments
        others = np.flatnonzero(sets[units.groups] != Assignment.TRAIN)
        found = places.nearest(others, np.flatnonzero(units.country_codes == code), units.buffer_km)
        sets[np.bincount(units.groups[found[found >= 0]]).argmax()] = Assignment.TRAIN


def _untrained(units: Units, assignments: Assignments) -> str | None:
    """Return the first country that has enough units, but none in train."""
    codes, sizes = np.unique(units.country_codes, return_counts=True)
    trained = units.country_codes[assignments == Assignment.TRAIN]
    missing = np.setdiff1d(codes[sizes >= MIN_UNITS_IN_TRAIN], trained)
    return str(missing[0]) if len(missing) else None


def _without_near(places: SpatialIndex, assignments: Assignments, km: float) -> Assignments:
    """Drop val and train units that are at most km from test, then train units that near val."""
    kept = assignments.copy()
    for stays, goes in (
        (Assignment.TEST, Assignment.VAL),
        (Assignment.TEST, Assignment.TRAIN),
        (Assignment.VAL, Assignment.TRAIN),
    ):
        rows: Rows = np.flatnonzero(kept == goes)
        found = places.nearest(np.flatnonzero(kept == stays), rows, km)
        kept[rows[found >= 0]] = Assignment.DROPPED
    return kept
