"""Split the views of a dataset into train, val and test.

A unit is an image or a location, depending on the protocol, and goes to one of the three sets.
Units that must stay together form a group:

- the views of a location;
- locations that share a panorama or a photo, even if it was re-encoded;
- with a buffer, locations of a block that are closer to each other than the buffer; the blocks are
  8 buffers wide, so long chains of near locations are cut at their edges;
- with blocks, all locations of a block, though neighbours may lie on both sides of its edge.

A block that holds more than half of a country's locations is cut into four, at most twice.

The set of a group follows from a hash of the seed and its members alone: see `draws`. So locations
that come or go move no others, except those that share their group, and those that a country needs
to keep the bounds in `assignment`: one unit in each set if it has three, and, of regions, half to
twice the fraction. With a buffer, they also free or drop locations within it.
"""

from dataclasses import dataclass

import numpy as np

from euguess.errors import InvalidInput
from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from euguess.training.report import UntestedCountry
from services.trainer.dataset.view_index import Rows, ViewIndex
from services.trainer.splits.assignment import Assignment, Shares, assign_units
from services.trainer.splits.units import (
    Units,
    block_units,
    distant_units,
    image_units,
    location_units,
)
from services.trainer.splits.untested import untested_countries

# Why all places of a country can be in one group.
TOGETHER = {
    SplitProtocol.IMAGE: "its {places} photos are one",
    SplitProtocol.LOCATION: "its {places} places share photos or panoramas",
    SplitProtocol.LOCATION_BUFFER: "its {places} places lie too near to each other",
    SplitProtocol.SPATIAL: "its {places} places lie in one block of land",
}


@dataclass(frozen=True)
class Split:
    """Sorted rows of the index; dropped rows are too close to rows of another set."""

    train: Rows
    val: Rows
    test: Rows
    dropped: Rows
    untested: tuple[UntestedCountry, ...] = ()


def split_views(index: ViewIndex, spec: SplitSpec) -> Split:
    """Split all views. Raises InvalidInput if there are none."""
    if not len(index):
        raise InvalidInput("There are no views to split; collect or import a dataset first.")
    units = _units(index, spec)
    shares = Shares(val=spec.val_fraction, test=spec.test_fraction)
    of_units = assign_units(units, shares, spec.seed)
    assignments = of_units[units.of_view]
    return Split(
        train=np.flatnonzero(assignments == Assignment.TRAIN),
        val=np.flatnonzero(assignments == Assignment.VAL),
        test=np.flatnonzero(assignments == Assignment.TEST),
        dropped=np.flatnonzero(assignments == Assignment.DROPPED),
        untested=tuple(untested_countries(units, of_units, TOGETHER[spec.protocol])),
    )


def _units(index: ViewIndex, spec: SplitSpec) -> Units:
    match spec.protocol:
        case SplitProtocol.IMAGE:
            return image_units(index)
        case SplitProtocol.LOCATION:
            return location_units(index)
        case SplitProtocol.LOCATION_BUFFER:
            return distant_units(index, buffer_km=spec.buffer_km)
        case SplitProtocol.SPATIAL:
            return block_units(index, block_km=spec.block_km)
