"""Read a manifest or folder of labelled photos, and check every row."""

import csv
import hashlib
import re
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from euguess.errors import InvalidInput, InvalidManifest
from euguess.geography.countries import country
from euguess.geography.locations import Coordinate
from euguess.images.photo_headers import InvalidImage
from euguess.images.photo_limits import FORMATS, PHOTO, check_bytes, check_photo
from euguess.images.preprocessing import load_photo
from euguess.messages.collection import PlaceSource

REQUIRED_COLUMNS = ("file", "country_code")
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
SUFFIX_OF_FORMAT = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}
TRUE_WORDS = ("true", "1", "yes")
DEFAULT_LICENSE = "unknown"
TEST_SIDE = 32  # pixels; decoding at the lowest scale still reads all data

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledPhoto:
    """A checked photo with its label. `where` is its position in the manifest."""

    where: str
    path: Path
    country_code: str
    location_id: str
    coordinate: Coordinate | None
    heading: float
    heading_is_relative: bool
    attribution: str
    license: str
    captured_at: str | None
    sha256: str
    size: tuple[int, int]
    suffix: str  # of the actual format of its bytes
    place_known_by: PlaceSource


@dataclass(frozen=True, slots=True)
class Labelled:
    """Valid photos, and a sentence about each invalid one."""

    photos: list[LabelledPhoto]
    problems: list[str]


def read_labelled(
    path: Path, progress: Callable[[int, int], None], *, allow_outside: bool = False
) -> Labelled:
    """Read and check all rows. Raises InvalidManifest if there is nothing to read.

    Photos outside the folder of the manifest are invalid rows, unless allow_outside.
    """
    rows = list(_rows(path))
    if not rows:
        raise InvalidManifest(f"{path} has no photos ({', '.join(FORMATS)}).")
    found = Labelled([], [])
    seen: dict[str, str] = {}
    for number, (where, folder, row) in enumerate(rows, start=1):
        try:
            file = _path(folder, row["file"], allow_outside=allow_outside)
            _add(found, seen, _check(where, file, row))
        except (InvalidInput, InvalidImage) as error:
            found.problems.append(f"{where}: {error}")
        progress(number, len(rows))
    return _with_one_country_each(found)


def _rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    if path.is_dir():
        yield from _folder_rows(path)
    elif path.suffix.lower() == ".parquet":
        yield from _parquet_rows(path)
    else:
        yield from _csv_rows(path)


def _folder_rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    """Yield a row per photo of folders like FR/*.jpg; each photo is its own location."""
    for photo in sorted(p for p in path.glob("*/*") if p.suffix.lower() in SUFFIXES):
        name = str(photo.relative_to(path))
        yield name, path, {"file": name, "country_code": photo.parent.name}


def _csv_rows(path: Path) -> Iterator[tuple[str, Path, Row]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            _check_columns(path, reader.fieldnames or [])
            for row in reader:
                cells = {name: (row.get(name) or "").strip() for name in reader.fieldnames or []}
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


def _check(where: str, path: Path, row: Row) -> LabelledPhoto:
    """Check a row and its photo. Raises InvalidInput or InvalidImage with the reason."""
    code = country(row["country_code"]).code
    coordinate, heading = _coordinate(row), _heading(row)
    data = read_photo_file(path)
    digest = hashlib.sha256(data).hexdigest()
    if row.get("sha256", digest) not in (digest, ""):
        raise InvalidManifest(f"{path.name} does not have the sha256 that the manifest gives")
    header = check_photo(data)
    load_photo(header, side=TEST_SIDE)
    return LabelledPhoto(
        where=where,
        path=path,
        country_code=code,
        location_id=_location_id(row, digest),
        coordinate=coordinate,
        heading=heading or 0.0,
        heading_is_relative=heading is None
        or row.get("heading_is_relative", "").lower() in TRUE_WORDS,
        attribution=row.get("attribution", ""),
        license=row.get("license") or DEFAULT_LICENSE,
        captured_at=row.get("captured_at") or None,
        sha256=digest,
        size=header.upright_size,
        suffix=SUFFIX_OF_FORMAT[header.format],
        place_known_by=_place_source(row, coordinate),
    )


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


def _place_source(row: Row, coordinate: Coordinate | None) -> PlaceSource:
    if row.get("location_id"):
        return PlaceSource.GIVEN
    return PlaceSource.UNKNOWN if coordinate is None else PlaceSource.POSITION


def _location_id(row: Row, digest: str) -> str:
    given = row.get("location_id", "")
    if given and not re.fullmatch(r"[\w.-]{1,100}", given, re.ASCII):
        raise InvalidManifest(f"location_id {given!r}: use letters, digits, '.', '_' and '-'")
    return f"folder-{given or digest[:20]}"


def _add(found: Labelled, seen: dict[str, str], photo: LabelledPhoto) -> None:
    if photo.sha256 in seen:
        raise InvalidManifest(f"{photo.path.name} is the same photo as {seen[photo.sha256]}")
    seen[photo.sha256] = photo.where
    found.photos.append(photo)


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
    return Labelled(good, problems)
