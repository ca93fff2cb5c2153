"""The leak checker finds the planted leaks and nothing else."""

from dataclasses import replace

import numpy as np
import pytest

from services.trainer.dataset.view_index import ViewIndex
from services.trainer.splits.leaks import Leak, LeakKind, count_leaks, find_leaks, name_pairs
from services.trainer.splits.splits import Split

KM_NORTH_DEG = 1 / 111.195  # a kilometre along a meridian


def index_with(
    ids: str = "abcd", photos: str = "1234", km: tuple[float, ...] = (0, 100, 200, 300)
) -> ViewIndex:
    """Return four views on a line to the north: rows 0 and 1 are in train, 2 and 3 in test."""
    return ViewIndex(
        location_ids=np.array(list(ids)),
        country_codes=np.array(["FR"] * 4),
        lats=45 + KM_NORTH_DEG * np.array(km, dtype=np.float64),
        lons=np.full(4, 5.0),
        headings=np.zeros(4),
        sha256s=np.array(list(photos)),
    )


NOTHING = np.array([], dtype=np.int64)
SPLIT = Split(train=np.array([0, 1]), val=NOTHING, test=np.array([2, 3]), dropped=NOTHING)


@pytest.mark.parametrize(
    ("index", "leaks"),
    [
        (index_with(), []),
        (index_with(ids="abbd", km=(0, 100, 100, 300)), [Leak(LeakKind.LOCATION, 1, 2)]),
        (index_with(photos="1231"), [Leak(LeakKind.IMAGE, 0, 3)]),
        (index_with(km=(0, 100, 104.9, 300)), [Leak(LeakKind.DISTANCE, 1, 2)]),
        (index_with(km=(0, 100, 105.1, 300)), []),
        (index_with(km=(0, 4, 3, 300)), [Leak(LeakKind.DISTANCE, 1, 2)]),
        (
            index_with(photos="1133", km=(0, 100, 99, 101)),
            [Leak(LeakKind.DISTANCE, 1, 2), Leak(LeakKind.DISTANCE, 1, 3)],
        ),
    ],
)
def test_each_kind_of_leak_is_found_with_its_rows(index: ViewIndex, leaks: list[Leak]) -> None:
    assert find_leaks(index, SPLIT, buffer_km=5) == leaks


def test_distances_are_ignored_without_a_buffer() -> None:
    assert find_leaks(index_with(km=(0, 1, 2, 3)), SPLIT) == []


def test_a_split_without_training_rows_has_no_leaks() -> None:
    nothing = np.array([], dtype=np.int64)
    split = Split(train=nothing, val=nothing, test=np.arange(4), dropped=nothing)
    assert find_leaks(index_with(), split, buffer_km=5) == []


def test_a_panorama_under_two_location_ids_is_a_leak() -> None:
    index = replace(index_with(), panorama_ids=np.array(["p", "q", "r", "q"]))
    assert find_leaks(index, SPLIT) == [Leak(LeakKind.PANORAMA, 1, 3)]


def test_a_re_encoded_photo_is_a_leak() -> None:
    hashes = np.array([0, 2**64 - 1, 0b1111, 0b11111], dtype=np.uint64)  # 4 and 5 bits from row 0
    index = replace(index_with(), hashes=hashes)
    assert find_leaks(index, SPLIT) == [Leak(LeakKind.COPY, 0, 2)]


def test_a_shared_location_counts_only_as_location_and_image() -> None:
    everything = index_with(ids="abab", photos="1212", km=(0, 1, 0, 1))
    index = replace(everything, panorama_ids=np.array(list("pqpq")), hashes=np.zeros(4, np.uint64))
    leaks = find_leaks(index, SPLIT, buffer_km=5)
    assert count_leaks(leaks) == {"image": 2, "location": 2}


def test_pairs_are_described_with_place_distance_and_bits() -> None:
    hashes = np.array([0, 2**64 - 1, 0b11, 2**32 - 1], dtype=np.uint64)
    index = replace(index_with(km=(0, 100, 1, 300)), hashes=hashes)
    copy, distance = name_pairs(index, find_leaks(index, SPLIT, buffer_km=5))
    assert (copy.kind, distance.kind) == ("copy", "distance")
    assert (copy.test_location, copy.train_location, copy.bits) == ("c", "a", 2)
    assert copy.distance_km == pytest.approx(1.0, rel=1e-4)


def test_a_pair_of_unknown_position_has_no_distance() -> None:
    index = replace(index_with(photos="1231"), lats=np.full(4, np.nan), lons=np.full(4, np.nan))
    pairs = name_pairs(index, find_leaks(index, SPLIT))
    assert [(pair.kind, pair.distance_km, pair.bits) for pair in pairs] == [("image", None, None)]
