"""Store labelled photos as a dataset."""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime

from pydantic import TypeAdapter, ValidationError

from euguess.clock import utc_now
from euguess.collection.datasets import read_spec
from euguess.collection.layout import location_key, locations_prefix, spec_key, view_key
from euguess.collection.providers import ProviderName
from euguess.errors import DatasetConflict, InvalidInput, InvalidManifest, ObjectNotFound
from euguess.images.photo_headers import InvalidImage
from euguess.imports.labelled import read_photo_file
from euguess.imports.photos import LabelledPhoto
from euguess.messages.collection import (
    DatasetSpec,
    LocationRecord,
    ViewRecord,
)
from euguess.messages.records import MAX_VIEWS, DatasetName
from euguess.storage import ObjectStore

CONCURRENT_LOCATIONS = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def check_name(name: str) -> None:
    """Raise InvalidInput unless a dataset can have this name."""
    try:
        TypeAdapter(DatasetName).validate_python(name)
    except ValidationError as error:
        raise InvalidInput(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from None


async def store_dataset(
    store: ObjectStore,
    name: str,
    photos: Sequence[LabelledPhoto],
    progress: Callable[[int, int], None],
) -> None:
    """Store photos by location, each record last. Importing the same again changes nothing."""
    places: dict[str, list[LabelledPhoto]] = {}
    for photo in photos:
        places.setdefault(photo.location_id, []).append(photo)
    await _make_durable(store, dataset_spec(name, photos))
    await _refuse_foreign_places(store, name, places)
    gate, done = asyncio.Semaphore(CONCURRENT_LOCATIONS), 0

    async def store_one(views: list[LabelledPhoto]) -> None:
        nonlocal done
        async with gate:
            await store_location(store, name, views)
        done += 1
        progress(done, len(places))

    try:
        async with asyncio.TaskGroup() as group:
            for views in places.values():
                group.create_task(store_one(views))
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None


async def store_location(store: ObjectStore, name: str, photos: Sequence[LabelledPhoto]) -> None:
    """Store a location. Raises DatasetConflict if it is stored with other photos."""
    record = location_record(name, photos)
    key = location_key(name, record.country_code, record.location_id)
    try:
        earlier = LocationRecord.model_validate_json(await store.get(key))
    except ObjectNotFound:
        for view, photo in zip(record.views, photos, strict=True):
            await _store_photo(store, view.key, photo)
        await store.create(key, record.model_dump_json().encode())
        return
    if _comparable(earlier) != _comparable(record):
        raise DatasetConflict(
            f"{name!r} has other photos of {record.location_id}. Import under another name."
        )


def _comparable(record: LocationRecord) -> LocationRecord:
    """Return a record without what may differ between imports of the same photos."""
    changes = {"fetched_at": EPOCH, "place_known_by": None, "place_reasons": ()}
    return record.model_copy(update=changes)


async def _store_photo(store: ObjectStore, key: str, photo: LabelledPhoto) -> None:
    data = await asyncio.to_thread(_read_again, photo)
    if not await store.create(key, data) and await store.get(key) != data:
        raise DatasetConflict(f"{key} is stored with other content. Import under another name.")


def _read_again(photo: LabelledPhoto) -> bytes:
    """Read a photo and check its digest again: a large import may take hours."""
    try:
        data = read_photo_file(photo.path)
    except InvalidImage as error:
        raise InvalidManifest(f"{photo.path}: {error}") from None
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise InvalidManifest(f"{photo.path} has changed since it was checked. Import again.")
    return data


def location_record(name: str, photos: Sequence[LabelledPhoto]) -> LocationRecord:
    """Build the record of a location. The first photo that has a position gives it.

    Photos are stored unchanged, so the key of a PNG or WebP photo has that suffix.
    """
    first = photos[0]
    repeats: Counter[float] = Counter()
    views = []
    for photo in photos:
        jpeg_key = view_key(
            name, first.country_code, first.location_id, photo.heading, repeats[photo.heading]
        )
        key = f"{jpeg_key.removesuffix('.jpg')}{photo.suffix}"
        repeats[photo.heading] += 1
        views.append(_view(key, photo))
    coordinate = next((one.coordinate for one in photos if one.coordinate is not None), None)
    return LocationRecord(
        location_id=first.location_id,
        dataset=name,
        provider=ProviderName.FOLDER,
        panorama_id=first.location_id.removeprefix("folder-"),
        country_code=first.country_code,
        lat=None if coordinate is None else coordinate.lat,
        lon=None if coordinate is None else coordinate.lon,
        captured_at=first.captured_at,
        attribution=first.attribution,
        license=first.license,
        headings_are_relative=any(photo.heading_is_relative for photo in photos),
        place_known_by=first.place_known_by,
        place_reasons=first.place_reasons,
        views=tuple(views),
        fetched_at=utc_now(),
    )


def dataset_spec(name: str, photos: Iterable[LabelledPhoto]) -> DatasetSpec:
    """Build the specification that requests exactly the imported locations."""
    places = {photo.location_id: photo.country_code for photo in photos}
    headings = sorted({int(photo.heading) for photo in photos})
    return DatasetSpec(
        name=name,
        quotas=dict(sorted(Counter(places.values()).items())),
        provider=ProviderName.FOLDER,
        headings=tuple(headings[:MAX_VIEWS]),
    )


def _view(key: str, photo: LabelledPhoto) -> ViewRecord:
    width, height = photo.size
    return ViewRecord(
        key=key,
        heading=photo.heading,
        sha256=photo.sha256,
        bytes=photo.path.stat().st_size,
        width=width,
        height=height,
    )


async def _refuse_foreign_places(
    store: ObjectStore, name: str, places: Mapping[str, Sequence[LabelledPhoto]]
) -> None:
    """Raise DatasetConflict if the dataset has locations that are not imported now."""
    own = {location_key(name, v[0].country_code, place) for place, v in places.items()}
    async for key in store.list(locations_prefix(name)):
        if key not in own:
            raise DatasetConflict(
                f"A dataset {name!r} with other places exists. Import under another name."
            )


async def _make_durable(store: ObjectStore, spec: DatasetSpec) -> None:
    body = spec.model_dump_json(indent=2).encode()
    is_new = await store.create(spec_key(spec.name), body)
    if not is_new and await read_spec(store, spec.name) != spec:
        raise DatasetConflict(
            f"A dataset {spec.name!r} with other places exists. Import under another name."
        )
