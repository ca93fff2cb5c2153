"""Sets of views, each of one location, as rows of a matrix."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from services.trainer.dataset.view_index import Floats, Rows, Strings

NO_VIEW = -1


@dataclass(frozen=True)
class ViewSets:
    """Sets of views: location_ids (sets,) and members (sets, most views), padded by NO_VIEW."""

    location_ids: Strings
    members: Rows

    @classmethod
    def joined(cls, several: Sequence[Self]) -> Self:
        """Concatenate in order."""
        width = max(one.members.shape[1] for one in several)
        padded = [
            np.pad(
                one.members,
                ((0, 0), (0, width - one.members.shape[1])),
                constant_values=NO_VIEW,
            )
            for one in several
        ]
        return cls(np.concatenate([one.location_ids for one in several]), np.concatenate(padded))

    def means(self, features: Floats) -> Floats:
        """Return the mean features of each set: (sets, D)."""
        is_member = (self.members != NO_VIEW)[:, :, None]
        sums = np.where(is_member, features[self.members], 0).sum(axis=1)
        return np.asarray(sums / is_member.sum(axis=1))


def first_view_sets(location_ids: Strings, views: int) -> ViewSets:
    """Return the first `views` views of each location, in row order; locations are sorted."""
    return _sets(location_ids, np.arange(len(location_ids)), views)


def random_view_sets(location_ids: Strings, rng: np.random.Generator) -> ViewSets:
    """Draw a random non-empty set of each location's views."""
    every = _sets(location_ids, rng.permutation(len(location_ids)), len(location_ids))
    sizes = (every.members != NO_VIEW).sum(axis=1)
    kept = rng.integers(1, sizes + 1)
    is_kept = np.arange(every.members.shape[1]) < kept[:, None]
    return ViewSets(every.location_ids, np.where(is_kept, every.members, NO_VIEW))


def _sets(location_ids: Strings, order: Rows, views: int) -> ViewSets:
    """Return the first `views` rows of each location in the given order."""
    names, location = np.unique(location_ids, return_inverse=True)
    rows = order[np.argsort(location[order], kind="stable")]
    counts = np.bincount(location)
    rank = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    members = np.full((len(names), min(views, int(counts.max()))), NO_VIEW)
    is_used = rank < views
    members[location[rows[is_used]], rank[is_used]] = rows[is_used]
    return ViewSets(names, members)
