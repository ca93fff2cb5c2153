"""Photos of one place become one location when they are imported."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from euguess.collection.layout import locations_prefix
from euguess.imports.labelled import read_labelled
from euguess.imports.storing import store_dataset
from euguess.messages.collection import LocationRecord, PlaceSource
from euguess.storage import ObjectStore
from tests.support.phone_photos import phone_photo

NOON = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - by the clock of a camera
PARIS = (48.86, 2.35)
DEGREES_PER_M = 1 / 111_195

Photos = Mapping[str, bytes]


def later(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def north(metres: float) -> tuple[float, float]:
    return PARIS[0] + metres * DEGREES_PER_M, PARIS[1]


async def imported(store: ObjectStore, root: Path, photos: Photos) -> list[LocationRecord]:
    """Import photos of one country; return its locations."""
    (root / "FR").mkdir()
    for name, data in photos.items():
        (root / "FR" / name).write_bytes(data)
    found = read_labelled(root, lambda done, of: None)
    assert not found.left_out
    await store_dataset(store, "mine", found.photos, lambda done, of: None)
    keys = sorted([key async for key in store.list(locations_prefix("mine"))])
    return [LocationRecord.model_validate_json(await store.get(key)) for key in keys]


@pytest.mark.parametrize(
    ("photos", "sizes", "source", "reasons"),
    [
        (  # a burst
            [("a.jpg", {"taken_at": later(m)}) for m in (0, 4, 8)],
            [3],
            PlaceSource.GUESS,
            ("time of capture",),
        ),
        ([("a.jpg", {"taken_at": later(m)}) for m in (0, 60)], [1, 1], PlaceSource.GUESS, ()),
        (  # two people
            [("a.jpg", {"taken_at": NOON, "camera": name}) for name in ("A", "B")],
            [1, 1],
            PlaceSource.GUESS,
            (),
        ),
        ([("a.jpg", {"at": north(m)}) for m in (0, 60)], [2], PlaceSource.POSITION, ("position",)),
        ([("a.jpg", {"at": north(m)}) for m in (0, 900)], [1, 1], PlaceSource.POSITION, ()),
        (  # a train: the position says more than the time
            [("a.jpg", {"at": north(900 * n), "taken_at": later(n)}) for n in range(2)],
            [1, 1],
            PlaceSource.POSITION,
            (),
        ),
        (
            [("market-1.jpg", {}), ("market-2.jpg", {}), ("tower-1.jpg", {}), ("tower-2.jpg", {})],
            [2, 2],
            PlaceSource.GUESS,
            ("file names",),
        ),
        ([(f"IMG_{n:04}.jpg", {}) for n in range(1, 6)], [5], PlaceSource.GUESS, ("file names",)),
        (  # a walk, with the times of the photos
            [(f"IMG_{n:04}.jpg", {"taken_at": later(30 * n)}) for n in range(1, 6)],
            [1] * 5,
            PlaceSource.GUESS,
            (),
        ),
        ([(f"IMG_{n:04}.jpg", {}) for n in range(1, 12)], [1] * 11, PlaceSource.UNKNOWN, ()),
        ([(f"{n}.jpg", {}) for n in range(3)], [1, 1, 1], PlaceSource.UNKNOWN, ()),
        (
            [(f"20240501_12000{n}.jpg", {}) for n in range(2)],
            [2],
            PlaceSource.GUESS,
            ("time of capture",),
        ),
    ],
)
async def test_photos_of_one_place_are_joined(
    tmp_path: Path,
    memory_store: ObjectStore,
    photos: Sequence[tuple[str, dict[str, object]]],
    sizes: list[int],
    source: PlaceSource,
    reasons: tuple[str, ...],
) -> None:
    is_named = len({name for name, _ in photos}) > 1
    files = {
        (name if is_named else f"{'xyzw'[number]}{name}"): phone_photo(number, **facts)  # type: ignore[arg-type]
        for number, (name, facts) in enumerate(photos)
    }
    places = await imported(memory_store, tmp_path, files)
    assert sorted(len(place.views) for place in places) == sizes
    assert {place.place_known_by for place in places} == {source}
    assert {place.place_reasons for place in places} == {reasons}


async def test_near_copies_are_one_place_though_nothing_else_is_known(
    tmp_path: Path, memory_store: ObjectStore
) -> None:
    files = {
        "x.jpg": phone_photo(7),
        "y.jpg": phone_photo(7, size=(80, 80)),
        "z.jpg": phone_photo(8),
    }
    places = await imported(memory_store, tmp_path, files)
    assert {len(place.views): place.place_reasons for place in places} == {2: ("look",), 1: ()}
    assert {place.place_known_by for place in places} == {PlaceSource.UNKNOWN}


async def test_time_and_position_of_a_place_are_stored(
    tmp_path: Path, memory_store: ObjectStore
) -> None:
    files = {
        "x.jpg": phone_photo(1, taken_at=NOON),
        "y.jpg": phone_photo(2, taken_at=NOON, at=PARIS),
    }
    (place,) = await imported(memory_store, tmp_path, files)
    assert place.captured_at == "2024-05-01"
    assert (place.lat, place.lon) == pytest.approx(PARIS, abs=1e-5)


def test_a_manifests_own_places_are_never_joined(tmp_path: Path) -> None:
    for number in range(2):
        (tmp_path / f"{number}.jpg").write_bytes(phone_photo(number, at=PARIS, taken_at=NOON))
    rows = "0.jpg,FR,48,2,0,one\n1.jpg,FR,48,2,0,two\n"
    (tmp_path / "m.csv").write_text(f"file,country_code,lat,lon,heading,location_id\n{rows}")
    found = read_labelled(tmp_path / "m.csv", lambda done, of: None)
    assert {photo.location_id for photo in found.photos} == {"folder-one", "folder-two"}
    assert {photo.place_known_by for photo in found.photos} == {PlaceSource.GIVEN}


def test_rows_without_a_location_id_are_joined_by_their_position(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"{number}.jpg").write_bytes(phone_photo(number))
    rows = "0.jpg,FR,48,2\n1.jpg,FR,48.0005,2\n2.jpg,FR,49,2\n"
    (tmp_path / "m.csv").write_text(f"file,country_code,lat,lon\n{rows}")
    found = read_labelled(tmp_path / "m.csv", lambda done, of: None)
    assert len({photo.location_id for photo in found.photos}) == 2
    assert {photo.place_known_by for photo in found.photos} == {PlaceSource.POSITION}
