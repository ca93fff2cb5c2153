"""The views of a dataset as NumPy columns, for splits, leak checks and metrics."""

from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

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
        )

    def __len__(self) -> int:
        return len(self.location_ids)

    @cached_property
    def countries(self) -> tuple[str, ...]:
        """Sorted codes of the countries that occur."""
        return tuple(str(code) for code in np.unique(self.country_codes))

    def labels(self, codes: tuple[str, ...]) -> Rows:
        """Return the position of each view's country in codes. Raises KeyError if it has none."""
        position = {code: label for label, code in enumerate(codes)}
        return np.array([position[str(code)] for code in self.country_codes], dtype=np.int64)


def _strings(table: pa.Table, name: str) -> Strings:
    return np.array(table.column(name).to_pylist(), dtype=np.str_)


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table.column(name).to_numpy(), dtype=np.float64)
