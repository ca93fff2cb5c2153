"""Countries without a place in the test set, and why."""

from collections.abc import Iterator

import numpy as np

from euguess.training.report import UntestedCountry
from services.trainer.dataset.view_index import Rows
from services.trainer.splits.assignment import Assignment, Assignments
from services.trainer.splits.units import Units

ALONE = "its only place is trained on"
NEEDED = "testing any of its {places} places would leave it or a neighbour too few to train on"


def untested_countries(
    units: Units, assignments: Assignments, together: str
) -> Iterator[UntestedCountry]:
    """Yield the countries without a tested unit. together: why units are in one group."""
    codes, sizes = np.unique(units.country_codes, return_counts=True)
    tested = units.country_codes[assignments == Assignment.TEST]
    for code, size in zip(codes, sizes, strict=True):
        if code not in tested:
            groups = units.groups[units.country_codes == code]
            yield UntestedCountry(
                country_code=str(code), locations=int(size), reason=_reason(groups, together)
            )


def _reason(groups: Rows, together: str) -> str:
    if len(groups) == 1:
        return ALONE
    text = together if len(np.unique(groups)) == 1 else NEEDED
    return text.format(places=len(groups))
