"""Blocks of land: cells of a fixed grid, cut into smaller ones where they hold most of a country.

The grid lies on the earth, not on the data, so places that come or go move no block.
"""

import numpy as np
from numpy.typing import NDArray

from euguess.geography.geodesy import EARTH_RADIUS_KM
from services.trainer.dataset.view_index import Floats, Rows, Strings

KM_PER_DEGREE = np.pi / 180 * EARTH_RADIUS_KM
# A block that holds more than this share of a country's places is cut into four, and its parts once
# more: otherwise the country could not be both trained on and tested.
LARGEST_SHARE = 0.5
CUTS = 2


def block_names(lats: Floats, lons: Floats, country_codes: Strings, block_km: float) -> Strings:
    """Name the block of each place: the number of cuts, row and column.

    A block is about block_km / 2**cuts square.
    """
    rows = lats * KM_PER_DEGREE / block_km
    middles = np.radians((np.floor(rows) + 0.5) * block_km / KM_PER_DEGREE)
    columns = lons * KM_PER_DEGREE * np.cos(middles) / block_km
    cuts = np.zeros(len(lats), dtype=np.int64)
    for _ in range(CUTS):
        _, blocks = _cells(cuts, rows, columns)
        cuts += _hold_most(blocks, country_codes)[blocks]
    cells, blocks = _cells(cuts, rows, columns)
    names = [f"{cut} {row} {column}" for cut, row, column in cells.tolist()]
    return np.array(names, dtype=np.str_)[blocks]


def _cells(cuts: Rows, rows: Floats, columns: Floats) -> tuple[NDArray[np.int64], Rows]:
    """Return the blocks that occur, as (cuts, row, column), and the block of each place."""
    scaled = np.stack([rows, columns]) * 2**cuts
    cells = np.column_stack([cuts, *np.floor(scaled).astype(np.int64)])
    found, blocks = np.unique(cells, axis=0, return_inverse=True)
    return found, blocks.ravel()


def _hold_most(blocks: Rows, country_codes: Strings) -> NDArray[np.bool_]:
    """Tell for each block whether it holds more than LARGEST_SHARE of a country's places."""
    codes, labels, sizes = np.unique(country_codes, return_inverse=True, return_counts=True)
    counts = np.zeros((blocks.max(initial=-1) + 1, len(codes)))
    np.add.at(counts, (blocks, labels), 1)
    return np.asarray((counts > LARGEST_SHARE * np.maximum(sizes, 2)).any(axis=1))
