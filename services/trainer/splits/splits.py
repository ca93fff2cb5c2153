"""Dividing the views of a dataset into train, val and test.

A unit (an image or a location, by protocol) belongs to one part. Units that must stay together
form a group: views of one location, locations that share a photo, be it encoded anew, or a
panorama and, with a buffer, locations nearer to each other than the buffer, or, with blocks, all
locations of a block, though those on both sides of a border may be neighbours. Parts are filled
country by country. A country with three units or more has at least one in each part where its
groups allow it, and always one in train; of two units one is for training and one for testing; a
single one is for training.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from euguess.errors import InvalidInput
from services.trainer.dataset.view_index import Rows, ViewIndex
from services.trainer.splits.assignment import Part, Shares, assign_parts
from services.trainer.splits.units import Units, block_units, image_units, location_units


class SplitProtocol(StrEnum):
    """What may not be shared between the parts."""

    IMAGE = "image"  # only the image itself: the study's way, which leaks sibling headings
    LOCATION = "location"
    LOCATION_BUFFER = "location+buffer"
    SPATIAL = "spatial"  # blocks of land: Roberts et al., Cross-validation strategies, 2017


@dataclass(frozen=True)
class SplitSpec:
    """How to split. The same spec on the same index gives the same split."""

    protocol: SplitProtocol
    seed: int = 0
    val_fraction: float = 0.1
    test_fraction: float = 0.2
    buffer_km: float = 5.0  # used by location+buffer alone
    block_km: float = 100.0  # side of a block, used by spatial alone

    def __post_init__(self) -> None:
        fractions = (self.val_fraction, self.test_fraction)
        if min(fractions) < 0 or sum(fractions) >= 1:
            raise InvalidInput(
                f"val_fraction {self.val_fraction} and test_fraction {self.test_fraction}: both "
                "must be at least 0 and add up to less than 1"
            )
        if not 0 < self.buffer_km <= 1000:
            raise InvalidInput(f"buffer_km {self.buffer_km} must be above 0 and at most 1000")
        if not 0 < self.block_km <= 1000:
            raise InvalidInput(f"block_km {self.block_km} must be above 0 and at most 1000")

    @property
    def apart_km(self) -> float:
        """Distance that the protocol keeps between the parts; 0 where it keeps none."""
        return self.buffer_km if self.protocol is SplitProtocol.LOCATION_BUFFER else 0.0


@dataclass(frozen=True)
class Split:
    """Sorted rows of the index in each part; dropped rows lie too near to another part."""

    train: Rows
    val: Rows
    test: Rows
    dropped: Rows


def split_views(index: ViewIndex, spec: SplitSpec) -> Split:
    """Split all views. Raises InvalidInput when there is nothing to train on."""
    if not len(index):
        raise InvalidInput("There are no views to split; collect or import a dataset first.")
    units = _units(index, spec)
    shares = Shares(val=spec.val_fraction, test=spec.test_fraction)
    parts = assign_parts(units, shares, np.random.default_rng(spec.seed))[units.of_view]
    return Split(
        train=np.flatnonzero(parts == Part.TRAIN),
        val=np.flatnonzero(parts == Part.VAL),
        test=np.flatnonzero(parts == Part.TEST),
        dropped=np.flatnonzero(parts == Part.DROPPED),
    )


def _units(index: ViewIndex, spec: SplitSpec) -> Units:
    match spec.protocol:
        case SplitProtocol.IMAGE:
            return image_units(index)
        case SplitProtocol.LOCATION:
            return location_units(index)
        case SplitProtocol.LOCATION_BUFFER:
            return location_units(index, buffer_km=spec.buffer_km)
        case SplitProtocol.SPATIAL:
            return block_units(index, block_km=spec.block_km)
