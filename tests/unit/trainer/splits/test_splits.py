"""Splits: every view in one set, nothing shared against the protocol, reproducible by seed."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from euguess.errors import InvalidInput
from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec
from services.trainer.dataset.proximity import SpatialIndex
from services.trainer.dataset.view_index import ViewIndex
from services.trainer.splits.leaks import LeakKind, find_leaks
from services.trainer.splits.splits import Split, split_views
from services.trainer.splits.units import block_units

Place = tuple[str, float, float]  # country code, lat, lon
CENTRES = {"FR": (48.0, 2.0), "LU": (49.6, 6.1), "PL": (52.0, 19.0)}


def index_of(
    places: Sequence[Place], views: int = 3, images: Sequence[int] | None = None
) -> ViewIndex:
    """Return an index with views of each place; images number the photos, by default all new."""
    rows = [(i, *place, 120.0 * view) for i, place in enumerate(places) for view in range(views)]
    photos = images if images is not None else range(len(rows))
    return ViewIndex(
        location_ids=np.array([f"place-{row[0]:04}" for row in rows]),
        country_codes=np.array([row[1] for row in rows]),
        lats=np.array([row[2] for row in rows]),
        lons=np.array([row[3] for row in rows]),
        headings=np.array([row[4] for row in rows]),
        sha256s=np.array([f"{photo:064x}" for photo in photos]),
    )


def spread(code: str, count: int, *, step_deg: float) -> list[Place]:
    """Return places in a row from west to east."""
    lat, lon = CENTRES[code]
    return [(code, lat, lon + step_deg * i) for i in range(count)]


def countries_of(index: ViewIndex, rows: np.ndarray) -> set[str]:
    return set(index.country_codes[rows].tolist())


places = st.lists(
    st.tuples(
        st.sampled_from(sorted(CENTRES)),
        st.floats(48, 48.5).map(lambda lat: round(lat, 3)),
        st.floats(5, 5.5).map(lambda lon: round(lon, 3)),
    ),
    min_size=1,
    max_size=60,
)
specs = st.builds(
    SplitSpec,
    protocol=st.sampled_from(SplitProtocol),
    seed=st.integers(0, 1000),
    val_fraction=st.sampled_from([0.0, 0.1, 0.3]),
    test_fraction=st.sampled_from([0.0, 0.2, 0.6]),
    buffer_km=st.sampled_from([0.5, 5.0, 20.0]),
    block_km=st.sampled_from([2.0, 20.0]),
)


@given(places=places, spec=specs)
@settings(max_examples=80, deadline=None)
def test_every_view_is_in_exactly_one_set(places: list[Place], spec: SplitSpec) -> None:
    index = index_of(places)
    split = split_views(index, spec)
    rows = np.concatenate([split.train, split.val, split.test, split.dropped])
    assert sorted(rows.tolist()) == list(range(len(index)))


@given(places=places, spec=specs, data=st.data())
@settings(max_examples=80, deadline=None)
def test_nothing_that_the_protocol_forbids_is_shared(
    places: list[Place], spec: SplitSpec, data: st.DataObject
) -> None:
    photos = st.lists(st.integers(0, 500), min_size=2 * len(places), max_size=2 * len(places))
    index = index_of(places, views=2, images=data.draw(photos))
    split = split_views(index, spec)
    if spec.protocol is SplitProtocol.IMAGE:
        return
    near = spec.buffer_km if spec.protocol is SplitProtocol.LOCATION_BUFFER else 0.0
    for one, other in [
        (split.train, split.test),
        (split.train, split.val),
        (split.val, split.test),
    ]:
        pair = Split(train=one, val=split.val, test=other, dropped=split.dropped)
        assert find_leaks(index, pair, buffer_km=near) == []


@given(places=places, spec=specs)
@settings(max_examples=40, deadline=None)
def test_a_split_is_a_function_of_index_and_spec(places: list[Place], spec: SplitSpec) -> None:
    first, second = (split_views(index_of(places), spec) for _ in range(2))
    for part in ("train", "val", "test", "dropped"):
        assert np.array_equal(getattr(first, part), getattr(second, part))


@given(places=places, spec=specs)
@settings(max_examples=80, deadline=None)
def test_a_country_with_three_locations_is_always_trained_on(
    places: list[Place], spec: SplitSpec
) -> None:
    index = index_of(places)
    codes = [place[0] for place in places]
    expected = {code for code in codes if codes.count(code) >= 3}
    assert expected <= countries_of(index, split_views(index, spec).train)


@given(places=places, seed=st.integers(0, 100))
@settings(max_examples=30, deadline=None)
def test_no_training_place_lies_within_the_buffer_of_a_test_place(
    places: list[Place], seed: int
) -> None:
    index = index_of(places, views=1)
    split = split_views(index, SplitSpec(SplitProtocol.LOCATION_BUFFER, seed=seed, buffer_km=4))
    spots = [
        Coordinate(float(lat), float(lon)) for lat, lon in zip(index.lats, index.lons, strict=True)
    ]
    apart = [great_circle_km(spots[a], spots[b]) for a, b in product(split.train, split.test)]
    assert min(apart, default=5.0) > 4 - 1e-9


@pytest.mark.parametrize("protocol", SplitProtocol)
def test_sets_of_distant_places_have_about_the_requested_shares_in_each_country(
    protocol: SplitProtocol,
) -> None:
    index = index_of(spread("FR", 500, step_deg=0.2) + spread("PL", 300, step_deg=0.2), views=1)
    split = split_views(index, SplitSpec(protocol, block_km=10))
    for code, locations in (("FR", 500), ("PL", 300)):
        found = [
            np.sum(index.country_codes[part] == code) / locations
            for part in (split.val, split.test)
        ]
        assert found == pytest.approx([0.1, 0.2], abs=0.06)
    assert not len(split.dropped)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("locations", "train", "val", "test"), [(1, 1, 0, 0), (2, 1, 0, 1), (3, 1, 1, 1), (4, 1, 1, 1)]
)
def test_few_locations_go_to_train_first_then_test_then_val(
    locations: int, train: int, val: int, test: int, seed: int
) -> None:
    split = split_views(
        index_of(spread("LU", locations, step_deg=0.5), views=1),
        SplitSpec(SplitProtocol.LOCATION, seed=seed),
    )
    assert len(split.train) >= train
    assert len(split.val) >= val
    assert len(split.test) >= test
    if locations < 4:
        assert (len(split.train), len(split.val), len(split.test)) == (train, val, test)


def test_another_seed_gives_another_split() -> None:
    index = index_of(spread("FR", 40, step_deg=0.2))
    first, second = (split_views(index, SplitSpec(SplitProtocol.LOCATION, seed=s)) for s in (1, 2))
    assert not np.array_equal(first.test, second.test)


def test_the_image_protocol_leaks_siblings_of_most_test_images() -> None:
    index = index_of(spread("FR", 200, step_deg=0.2))
    split = split_views(index, SplitSpec(SplitProtocol.IMAGE))
    leaks = find_leaks(index, split)
    assert {leak.kind for leak in leaks} == {LeakKind.LOCATION}
    assert len(leaks) > 0.85 * len(split.test)  # 1 - 0.3**2 have a sibling in train


def test_a_crowded_country_is_cut_with_a_gap_between_the_sets() -> None:
    index = index_of(spread("FR", 200, step_deg=0.02), views=1)  # 1.5 km apart, one chain
    split = split_views(index, SplitSpec(SplitProtocol.LOCATION_BUFFER, buffer_km=5))
    assert 20 <= len(split.test) <= 80  # half to twice the fraction, in whole blocks
    assert 0 < len(split.dropped) <= 0.1 * len(index)
    assert find_leaks(index, split, buffer_km=5) == []


def test_a_country_smaller_than_the_buffer_is_used_only_for_training() -> None:
    index = index_of(spread("LU", 10, step_deg=0.001) + spread("FR", 30, step_deg=0.5), views=1)
    split = split_views(index, SplitSpec(SplitProtocol.LOCATION_BUFFER, buffer_km=5))
    assert countries_of(index, split.test) == {"FR"}
    assert np.sum(index.country_codes[split.train] == "LU") == 10


@pytest.mark.parametrize("seed", range(30))
def test_a_country_whose_places_all_lie_beside_a_larger_one_is_trained_on(seed: int) -> None:
    foreign = [("LU", lat, lon + 0.01) for _, lat, lon in spread("FR", 3, step_deg=0.5)]
    twins = [("FR", lat, lon + 0.02) for _, lat, lon in spread("FR", 10, step_deg=0.5)]
    index = index_of(spread("FR", 10, step_deg=0.5) + foreign + twins)
    spec = SplitSpec(SplitProtocol.LOCATION_BUFFER, seed=seed, test_fraction=0.6)
    assert "LU" in countries_of(index, split_views(index, spec).train)


@pytest.mark.parametrize(
    "faulty",
    [
        {"val_fraction": -0.1},
        {"test_fraction": 0.95},
        {"buffer_km": 0.0},
        {"buffer_km": 5000.0},
        {"block_km": 0.0},
    ],
)
def test_an_invalid_spec_is_refused(faulty: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(faulty))):
        SplitSpec(SplitProtocol.LOCATION, **faulty)  # type: ignore[arg-type]


def test_an_empty_index_is_refused_with_the_next_step() -> None:
    with pytest.raises(InvalidInput, match="collect or import"):
        split_views(index_of([]), SplitSpec(SplitProtocol.LOCATION))


def test_places_of_unknown_position_are_near_nothing() -> None:
    unknown = np.array([np.nan, np.nan, 48.0, 48.0])
    near = SpatialIndex.of(unknown, np.array([np.nan, np.nan, 2.0, 2.001]))
    assert near.pairs_within_km(50).tolist() == [[2, 3]]


@pytest.mark.parametrize("protocol", [SplitProtocol.LOCATION, SplitProtocol.LOCATION_BUFFER])
def test_places_with_a_copied_photo_or_a_common_panorama_stay_in_one_set(
    protocol: SplitProtocol,
) -> None:
    index = index_of(spread("FR", 60, step_deg=0.2))
    rng = np.random.default_rng(3)
    hashes = rng.integers(0, 2**63, len(index), dtype=np.uint64)
    hashes[::12] = hashes[0] ^ np.uint64(0b101)  # one view of places 0, 4, 8 ... is a copy
    panoramas = np.array([f"panorama-{row // 3 % 50}" for row in range(len(index))])
    linked = replace(index, hashes=hashes, panorama_ids=panoramas)
    for seed in range(5):
        split = split_views(linked, SplitSpec(protocol, seed=seed))
        assert len(split.test)
        assert find_leaks(linked, split) == []
        assert {leak.kind for leak in find_leaks(linked, split_views(index, SplitSpec(protocol)))}


def test_a_block_of_land_is_in_one_set() -> None:
    rng = np.random.default_rng(0)
    index = index_of(
        [("FR", lat, lon) for lat, lon in rng.uniform((44, 0), (49, 6), (400, 2))], views=1
    )
    split = split_views(index, SplitSpec(SplitProtocol.SPATIAL, block_km=50))
    parts = np.zeros(len(index))
    for number, rows in enumerate((split.train, split.val, split.test)):
        parts[rows] = number
    # Blocks are 50 km high: the latitude alone gives the row, and the width of a degree in the
    # middle of the row gives the column.
    rows = np.floor(index.lats * 111.195 / 50)
    columns = np.floor(index.lons * 111.195 * np.cos(np.radians((rows + 0.5) * 50 / 111.195)) / 50)
    blocks = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)[1].ravel()
    for block in np.unique(blocks):
        assert len(np.unique(parts[blocks == block])) == 1
    assert len(split.test) == pytest.approx(80, abs=10)


def test_blocks_are_about_as_wide_as_high() -> None:
    index = index_of([("FR", 60.0, lon) for lon in np.arange(0.0, 18.0, 0.09)], views=1)  # 5 km
    groups = block_units(index, block_km=100).groups
    assert len(np.unique(groups)) == pytest.approx(10, abs=1)


def test_places_of_unknown_position_are_blocks_of_their_own() -> None:
    index = index_of([("FR", np.nan, np.nan)] * 10 + [("FR", 48.0, 2.0)] * 3, views=1)
    assert len(np.unique(block_units(index, block_km=100).groups)) == 11


def test_places_with_a_common_photo_stay_together_across_blocks() -> None:
    photos = [0, 1, 2, 3, 0]
    index = index_of(spread("FR", 5, step_deg=3.0), views=1, images=photos)
    groups = block_units(index, block_km=100).groups
    assert groups[0] == groups[4]
    assert len(np.unique(groups)) == 4
