"""Countries that are not tested, and why."""

import numpy as np
import pytest

from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.splits.splits import split_views

SPAIN = [("ES", 37.0 + row, -6.0 + column) for row in range(6) for column in range(6)]
MONACO = [("MC", 43.73, 7.42 + 0.0001 * number) for number in range(8)]
CHAIN = [("MC", 43.73 + 0.001 * number, 7.42) for number in range(8)]


def index_of(places: list[tuple[str, float, float]], photos: list[int] | None = None) -> ViewIndex:
    """Return an index with one view of each place; photos number the images, by default all new."""
    return ViewIndex(
        location_ids=np.array([f"place-{number:03}" for number in range(len(places))]),
        country_codes=np.array([place[0] for place in places]),
        lats=np.array([place[1] for place in places]),
        lons=np.array([place[2] for place in places]),
        headings=np.zeros(len(places)),
        sha256s=np.array([f"{photo:064x}" for photo in photos or range(len(places))]),
    )


@pytest.mark.parametrize(
    ("protocol", "places", "reason"),
    [
        (SplitProtocol.SPATIAL, MONACO, "its 8 places lie in one block of land"),
        (SplitProtocol.LOCATION_BUFFER, CHAIN, "its 8 places lie too near to each other"),
        (SplitProtocol.LOCATION, MONACO[:1], "its only place is trained on"),
        (SplitProtocol.SPATIAL, MONACO[:1], "its only place is trained on"),
    ],
)
@pytest.mark.parametrize("seed", range(5))
def test_a_country_that_cannot_be_tested_is_named_with_its_reason(
    protocol: SplitProtocol, places: list[tuple[str, float, float]], reason: str, seed: int
) -> None:
    split = split_views(index_of(SPAIN + places), SplitSpec(protocol, seed))
    (found,) = split.untested
    assert (found.country_code, found.locations, found.reason) == ("MC", len(places), reason)


def test_places_that_share_a_photo_are_named_as_one() -> None:
    photos = [*range(36), *[36] * 8]
    split = split_views(index_of(SPAIN + MONACO, photos), SplitSpec(SplitProtocol.LOCATION))
    (found,) = split.untested
    assert found.reason == "its 8 places share photos or panoramas"


@pytest.mark.parametrize("seed", range(5))
def test_the_smaller_of_two_blocks_is_tested(seed: int) -> None:
    larger = [("MC", 43.73, 7.42)] * 20
    split = split_views(
        index_of(SPAIN + larger + [("MC", 46.0, 7.42)] * 4), SplitSpec(SplitProtocol.SPATIAL, seed)
    )
    assert split.untested == ()


@pytest.mark.parametrize("protocol", SplitProtocol)
def test_nothing_is_named_if_all_countries_are_tested(protocol: SplitProtocol) -> None:
    assert split_views(index_of(SPAIN), SplitSpec(protocol)).untested == ()
