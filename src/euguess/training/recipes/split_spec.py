"""Settings of a split of the views of a dataset into train, val and test."""

from dataclasses import dataclass
from enum import StrEnum

from euguess.errors import InvalidInput


class SplitProtocol(StrEnum):
    """Things that train, val and test may not share."""

    IMAGE = "image"  # only the image itself, as in the study: leaks other headings
    LOCATION = "location"
    LOCATION_BUFFER = "location+buffer"
    SPATIAL = "spatial"  # blocks of land: Roberts et al., Cross-validation strategies, 2017


@dataclass(frozen=True)
class SplitSpec:
    """Settings of a split. The same spec on the same index gives the same split."""

    protocol: SplitProtocol
    seed: int = 0
    val_fraction: float = 0.1
    test_fraction: float = 0.2
    buffer_km: float = 5.0  # for location+buffer
    block_km: float = 100.0  # side of a block, for spatial

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
        """Minimum distance between train, val and test; 0 if the protocol requires none."""
        return self.buffer_km if self.protocol is SplitProtocol.LOCATION_BUFFER else 0.0
