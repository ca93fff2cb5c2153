"""The views of a dataset as NumPy columns, for splits, leak checks and metrics."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from euguess.collection.manifest_format import PLACE_COLUMN
from euguess.messages.collection import PlaceSource
from euguess.training.report import Places

Strings = NDArray[np.str_]
Floats = NDArray[np.float64]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class ViewIndex:
    """One entry per view; all columns have the same length. lats, lons and headings in degrees.

    lat and lon are NaN if the position is unknown. hashes are perceptual hashes of the pixels; a
    manifest has none.
    """

    location_ids: Strings
    country_codes: Strings
    lats: Floats
    lons: Floats
    headings: Floats
    sha256s: Strings
    panorama_ids: Strings | None = None
    hashes: NDArray[np.uint64] | None = None
    place_sources: Strings | None = None  # empty where the place is known

    @classmethod
    def from_table(cls, table: pa.Table) -> Self:
        """Read the columns that manifests and tensor caches have in common."""
        return cls(
            location_ids=_strings(table, "location_id"),
            country_codes=_strings(table, "country_code"),
            lats=_floats(table, "lat"),
            lons=_floats(table, "lon"),
            headings=_floats(table, "heading"),
            sha256s=_strings(table, "sha256"),
            panorama_ids=_strings(table, "panorama_id"),
            place_sources=_place_sources(table),
        )

    def __len__(self) -> int:
        return len(self.location_ids)

    @cached_property
    def countries(self) -> tuple[str, ...]:
        """Sorted codes of the countries that occur."""
        return tuple(str(code) for code in np.unique(self.country_codes))

    @property
    def places(self) -> Places:
        """How well it is known which views show the same place: as for the least known."""
        found = set() if self.place_sources is None else set(self.place_sources.tolist())
        if PlaceSource.UNKNOWN in found:
            return Places.UNKNOWN
        return Places.GUESSED if PlaceSource.GUESS in found else Places.KNOWN

    def labels(self, codes: tuple[str, ...]) -> Rows:
        """Return the position of each view's country in codes. Raises KeyError if it has none."""
        position = {code: label for label, code in enumerate(codes)}
        return np.array([position[str(code)] for code in self.country_codes], dtype=np.int64)


def _place_sources(table: pa.Table) -> Strings | None:
    """Read how the places are known; caches that were built earlier have no such column."""
    if PLACE_COLUMN not in table.column_names:
        return None
    return np.array([name or "" for name in table.column(PLACE_COLUMN).to_pylist()], np.str_)


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array(table.column(name).to_pylist(), dtype=np.str_)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)
