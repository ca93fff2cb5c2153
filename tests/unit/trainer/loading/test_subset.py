"""Training on a share of the places."""

import numpy as np

from euguess.training.recipes.sections import Subset
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.loading.split_data import chosen_locations
from tests.support.tiny_training import tiny_index


def study_like(quotas: dict[str, int]) -> ViewIndex:
    """Return an index with one view of each place, and a number of places per country."""
    codes = np.repeat(list(quotas), list(quotas.values()))
    count = len(codes)
    return ViewIndex(
        location_ids=np.array([f"place-{number}" for number in range(count)]),
        country_codes=codes,
        lats=np.zeros(count),
        lons=np.zeros(count),
        headings=np.zeros(count),
        sha256s=np.array([f"{row:064x}" for row in range(count)]),
    )


def test_a_third_of_the_studys_quotas_gives_the_studys_counts() -> None:
    index = study_like({"DE": 860, "CZ": 369, "LU": 123})
    chosen = np.isin(index.location_ids, chosen_locations(index, Subset(share=0.3333)))
    counts = {str(c): int(np.sum(chosen & (index.country_codes == c))) for c in index.countries}
    assert counts == {"DE": 287, "CZ": 123, "LU": 41}


def test_a_larger_share_contains_a_smaller_one_in_any_order() -> None:
    index = study_like({"DE": 40, "LU": 10})
    small, large = (chosen_locations(index, Subset(share=share)) for share in (0.2, 0.5))
    assert set(small) < set(large)
    upside_down = ViewIndex(
        **{
            name: getattr(index, name)[::-1]
            for name in ("location_ids", "country_codes", "lats", "lons", "headings", "sha256s")
        }
    )
    assert np.array_equal(chosen_locations(upside_down, Subset(share=0.2)), small)


def test_another_seed_selects_others_and_each_country_keeps_a_place() -> None:
    index = study_like({"DE": 40, "LU": 2})
    first, second = (chosen_locations(index, Subset(share=0.1, seed=seed)) for seed in (0, 1))
    assert list(first) != list(second)
    assert np.sum(np.isin(index.location_ids[index.country_codes == "LU"], first)) == 1


def test_all_places_are_used_by_default() -> None:
    index = tiny_index(6)
    assert np.array_equal(chosen_locations(index, Subset()), np.unique(index.location_ids))
