"""Places drawn as the study did: uniform in area, with its quotas for 32 countries."""

from functools import cache

import numpy as np

from euguess.geography.boundaries import load_boundaries
from euguess.geography.countries import PRESETS
from services.sampler.candidates import CandidateSource
from services.trainer.dataset.view_index import ViewIndex

BORDER_BUFFER_KM = 1.0


@cache
def study_places(seed: int) -> ViewIndex:
    """Return an index of 14,260 places with one view each; ids tell nothing of their order."""
    codes, spots = [], []
    for code, quota in PRESETS["eu32"].quotas.items():
        drawn = _source().draw(code, seed=seed, slots=range(quota), first=0, count=1)
        codes += [code] * quota
        spots.append(drawn[:, 0])
    lats, lons = np.concatenate(spots).T
    return ViewIndex(
        location_ids=np.array([f"{lat:.7f} {lon:.7f}" for lat, lon in np.concatenate(spots)]),
        country_codes=np.array(codes),
        lats=lats,
        lons=lons,
        headings=np.zeros(len(codes)),
        sha256s=np.array([f"{row:064x}" for row in range(len(codes))]),
    )


@cache
def _source() -> CandidateSource:
    return CandidateSource(load_boundaries(), BORDER_BUFFER_KM)
