"""Read a manifest or folder of labelled photos, and check every row."""

import csv
import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from euguess.collection.spreadsheet import text_of
from euguess.errors import InvalidInput, InvalidManifest, UnknownCountry
from euguess.geography.boundaries import Boundaries, load_boundaries
from euguess.geography.countries import country
from euguess.geography.locations import Coordinate
from euguess.images.decoding import PhotoDecoder
from euguess.images.perceptual_hash import hash_images
from euguess.images.photo_headers import InvalidImage
from euguess.images.photo_limits import (
    FORMATS,
    PHOTO,
    FormatUnavailable,
    check_bytes,
    check_photo,
)
from euguess.imports.exif import Capture, read_capture
from euguess.imports.folders import FolderLabel, check_suffix, files_below, label_of
from euguess.imports.photos import (
    DIGITS_OF_ID,
    FOLDER,
    LabelledPhoto,
    NotImported,
    location_id_of,
)
from euguess.imports.places import join_places
from euguess.imports.series import time_in_name
from euguess.messages.collection import PlaceSource

REQUIRED_COLUMNS = ("file", "country_code")
SUFFIX_OF_FORMAT = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "HEIF": ".heic"}
BORDER_KM = 2.0  # the packaged borders are off by up to about as much
TRUE_WORDS = ("true", "1", "yes")
DEFAULT_LICENSE = "unknown"
HASH_SIDE = 32  # pixels; decoding at the lowest scale still reads all data

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file of a folder that is not imported."""

    file: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Valid photos, a sentence about each invalid one, and what a folder holds besides."""

    photos: list[LabelledPhoto]
    problems: list[str]
    left_out: list[LeftOut] = field(default_factory=list)


class Decoder(Protocol):
    """Decodes a photo to size x size pixels. Raises InvalidImage."""

    def decode_photo(self, data: bytes, size: int) -> NDArray[np.uint8]: ...


def read_labelled(
    path: Path,
    progress: Callable[[int, int], None],
    *,
    allow_outside: bool = False,
    decoder: Decoder | None = None,
) -> Labelled:
    """Read and check all rows. Raises InvalidManifest if there is nothing to read.

    Photos outside the folder of the manifest are invalid rows, unless allow_outside. A service
    gives a decoder of its own, which costly photos cannot stop.
    """
    rows = list(_rows(path))
    if not rows:
        raise InvalidManifest(f"{path} has no photos ({', '.join(FORMATS)}).")
    found, seen, reader = (
        Labelled([], []),
        _Seen(is_folder=path.is_dir()),
        PhotoReader(decoder or PhotoDecoder()),
    )
    for number, (where, folder, row) in enumerate(rows, start=1):
        try:
            if path.is_dir():
                check_suffix(folder / row["file"])
            file = _path(folder, row["file"], allow_outside=allow_outside)
            photo = reader.read(where, file, row)
            seen.add(photo)
            found.photos.append(photo)
        except NotImported as error:
            found.left_out.append(LeftOut(where, error.reason, error.detail))
        except FormatUnavailable as error:
            found.left_out.append(LeftOut(where, str(error)))
        except (InvalidInput, InvalidImage) as error:
            found.problems.append(f"{where}: {error}")
        progress(number, len(rows))
    return _with_places(found)


def _rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    if path.is_dir():
        yield from _folder_rows(path)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path)
    else:
        yield from _csv_rows(path)


def _folder_rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    for file in files_below(path):
        name = str(file.relative_to(path))
        yield name, path, {"file": name}


def _csv_rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or [])
            for row in reader:
                names = reader.fieldnames or []
                cells = {name: text_of((row.get(name) or "").strip()) for name in names}
                yield f"line {reader.line_num}", path.parent, cells
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InvalidManifest(f"{path} cannot be read: {error}.") from None


def _parquet_rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InvalidManifest(f"{path} cannot be read: {error}.") from None
    _check_columns(path, table.column_names)
    for number in range(1, table.num_rows + 1):
        try:
            (row,) = table.slice(number - 1, 1).to_pylist()
        except UnicodeDecodeError:
            raise InvalidManifest(f"{path}, row {number} has text that is not UTF-8.") from None
        cells = {name: "" if value is None else str(value) for name, value in row.items()}
        yield f"row {number}", path.parent, cells


def _check_columns(path: Path, columns: object) -> None:
    names = list(columns) if isinstance(columns, list | tuple) else []
    missing = [name for name in REQUIRED_COLUMNS if name not in names]
    if missing:
        raise InvalidManifest(
            f"{path} lacks the column {' and '.join(missing)}. A manifest has file, country_code "
            "and, if known, lat, lon, heading, location_id, attribution, sha256, captured_at."
        )


def _path(folder: Path, file: str, *, allow_outside: bool) -> Path:
    """Return the path of a row's photo, which stays as it is written. Raises InvalidManifest."""
    if "\0" in file:
        raise InvalidManifest(f"file {file!r} contains a NUL character")
    path = folder / file
    try:
        is_inside = path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a loop of symbolic links
        raise InvalidManifest(f"{path} cannot be found") from None
    if not is_inside and not allow_outside:
        raise InvalidManifest(
            f"{path} is outside the folder {folder}. Move it there, or allow it with "
            "--allow-outside"
        )
    return path


@dataclass
class PhotoReader:
    """Reads and checks photos one by one."""

    _decoder: Decoder = field(default_factory=PhotoDecoder)

    @cached_property
    def _boundaries(self) -> Boundaries:
        return load_boundaries()

    def read(self, where: str, path: Path, row: Row) -> LabelledPhoto:
        """Check a row and its photo.

        Raises InvalidInput or InvalidImage with the reason, NotImported for a file of a folder
        that cannot be labelled.
        """
        label = self._label_of_row(row)
        coordinate, heading, given = _coordinate(row), _heading(row), row.get("location_id", "")
        data = read_photo_file(path)
        digest = hashlib.sha256(data).hexdigest()
        if row.get("sha256", digest) not in (digest, ""):
            raise InvalidManifest(f"{path.name} does not have the sha256 that the manifest gives")
        header = check_photo(data)
        bits = hash_images(self._decoder.decode_photo(data, HASH_SIDE)[None])
        capture = Capture() if given else read_capture(header.exif)
        coordinate = coordinate or capture.coordinate
        taken_at = None if given else capture.taken_at or time_in_name(path.stem)
        doubt = self._doubt(label, coordinate)
        label = label or self._label_by_position(coordinate)
        return LabelledPhoto(
            where=where,
            path=path,
            country_code=label.country_code,
            labelled_by=label.rule,
            doubt=doubt,
            location_id=location_id_of(_checked_id(given) or digest[:DIGITS_OF_ID]),
            is_placed=bool(given),
            place_known_by=_place_source(row) if given else PlaceSource.UNKNOWN,
            coordinate=coordinate,
            heading=heading or 0.0,
            heading_is_relative=heading is None
            or row.get("heading_is_relative", "").lower() in TRUE_WORDS,
            attribution=row.get("attribution", ""),
            license=row.get("license") or DEFAULT_LICENSE,
            captured_at=row.get("captured_at") or (f"{taken_at:%Y-%m-%d}" if taken_at else None),
            taken_at=taken_at,
            camera=capture.camera,
            bits=int(bits[0]),
            sha256=digest,
            size=header.upright_size,
            suffix=SUFFIX_OF_FORMAT[header.format],
        )

    def _label_of_row(self, row: Row) -> FolderLabel | None:
        """Return the label that a manifest gives, or that the folders of a photo give if any."""
        if "country_code" in row:
            return FolderLabel(country(row["country_code"]).code, "")
        return label_of(Path(row["file"]).parts[:-1])

    def _doubt(self, label: FolderLabel | None, coordinate: Coordinate | None) -> str:
        """Say if a photo lies well inside another country than its folder names."""
        if label is None or not label.rule or coordinate is None:
            return ""
        code = self._boundaries.locate(coordinate)
        if code is None or code == label.country_code:
            return ""
        if self._boundaries.border_km(coordinate, code) <= BORDER_KM:
            return ""
        return f"its GPS position is in {code}, its folder says {label.country_code}"

    def _label_by_position(self, coordinate: Coordinate | None) -> FolderLabel:
        if coordinate is None:
            raise NotImported("no folder names its country, and it has no GPS position")
        at = f"{coordinate.lat:.3f}, {coordinate.lon:.3f}"
        code = self._boundaries.locate(coordinate)
        if code is None:
            raise NotImported("its GPS position is at sea or outside Europe", at)
        try:
            return FolderLabel(country(code).code, "GPS position")
        except UnknownCountry:
            reason = f"its GPS position is in {code}, which is none of EUGuess's countries"
            raise NotImported(reason, at) from None


def read_photo_file(path: Path) -> bytes:
    """Read a photo after a check of its size.

    Raises InvalidManifest if it is no readable file, ImageTooLarge if it has too many bytes.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise InvalidManifest(f"{path} is not a file")
        check_bytes(status.st_size)
        with path.open("rb") as file:
            return file.read(PHOTO.max_bytes + 1)  # a file that still grows is found too large
    except OSError as error:
        raise InvalidManifest(f"{path}: {error.strerror}") from None


def _coordinate(row: Row) -> Coordinate | None:
    lat, lon = row.get("lat", ""), row.get("lon", "")
    if not lat and not lon:
        return None
    try:
        return Coordinate(float(lat), float(lon))
    except ValueError:
        raise InvalidManifest(f"lat {lat!r}, lon {lon!r} are not numbers") from None


def _heading(row: Row) -> float | None:
    text = row.get("heading", "")
    try:
        heading = float(text) if text else None
    except ValueError:
        raise InvalidManifest(f"heading {text!r} is not a number") from None
    if heading is not None and not 0 <= heading < 360:
        raise InvalidManifest(f"heading {text}: must be at least 0 and below 360")
    return heading


def _place_source(row: Row) -> PlaceSource:
    """Return how a place with an id is known: an export says so of places that were guessed."""
    text = row.get("place_known_by", "")
    try:
        return PlaceSource(text) if text else PlaceSource.GIVEN
    except ValueError:
        raise InvalidManifest(f"place_known_by {text!r}: use {', '.join(PlaceSource)}") from None


def _checked_id(given: str) -> str:
    if given and not re.fullmatch(r"[\w.-]{1,100}", given.removeprefix(FOLDER), re.ASCII):
        raise InvalidManifest(f"location_id {given!r}: use letters, digits, '.', '_' and '-'")
    return given


@dataclass
class _Seen:
    """Photos by the SHA-256 of their bytes: none is imported twice."""

    is_folder: bool
    first: dict[str, str] = field(default_factory=dict)

    def add(self, photo: LabelledPhoto) -> None:
        """Raise NotImported for a second copy in a folder, InvalidManifest in a manifest."""
        earlier = self.first.setdefault(photo.sha256, photo.where)
        if earlier == photo.where:
            return
        if self.is_folder:
            raise NotImported("the same photo as another file", earlier)
        raise InvalidManifest(f"{photo.path.name} is the same photo as {earlier}")


def _with_places(found: Labelled) -> Labelled:
    kept = _with_one_country_each(found)
    return replace(kept, photos=join_places(kept.photos))


def _with_one_country_each(found: Labelled) -> Labelled:
    """Reject rows that put a location into another country than its first row does."""
    countries: dict[str, LabelledPhoto] = {}
    good, problems = [], list(found.problems)
    for photo in found.photos:
        first = countries.setdefault(photo.location_id, photo)
        if photo.country_code == first.country_code:
            good.append(photo)
        else:
            problems.append(
                f"{photo.where}: location {photo.location_id.removeprefix('folder-')} is in "
                f"{photo.country_code} here and in {first.country_code} at {first.where}"
            )
    return Labelled(good, problems, found.left_out)
