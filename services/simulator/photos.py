"""Serves real photos from a folder in place of drawn scenes."""

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from euguess.errors import InvalidManifest
from euguess.images.preprocessing import InvalidImage, load_photo
from services.simulator.imagery import View
from services.simulator.jpeg import encode_picture
from services.simulator.world import Panorama

MANIFEST = "manifest.csv"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PhotoPlace:
    """The photos of one place, in the order of their headings."""

    photos: tuple[Path, ...]

    def photo(self, heading: float) -> Path:
        """Headings of a full turn are shared out evenly: each photo has its sector."""
        return self.photos[int(heading % 360 / 360 * len(self.photos))]


class PhotoImagery:
    """A photo for each view, chosen by the panorama's id; fov and pitch are ignored."""

    def __init__(self, places: dict[str, tuple[PhotoPlace, ...]], *, cached: int = 256) -> None:
        self._places = places
        self._fitted = lru_cache(maxsize=cached)(_fitted)

    def picture(self, panorama: Panorama, view: View) -> bytes:
        """Raises KeyError for a country without photos."""
        places = self._places[panorama.country_code]
        digest = hashlib.blake2b(panorama.pano_id.encode(), digest_size=8).digest()
        place = places[int.from_bytes(digest, "big") % len(places)]
        return self._fitted(place.photo(view.heading), view.width, view.height)


def read_photos(folder: Path) -> dict[str, tuple[PhotoPlace, ...]]:
    """Places by country code, from manifest.csv if there is one, else from FR/*.jpg, PL/*.jpg, ...

    Raises InvalidManifest.
    """
    manifest = folder / MANIFEST
    places = _from_manifest(manifest) if manifest.is_file() else _from_folders(folder)
    if not places:
        raise InvalidManifest(
            f"{folder} has no photos: give it a {MANIFEST} with the columns file and country_code, "
            "or a sub-folder per country code (FR, PL, ...) with JPEG files."
        )
    return places


def _from_manifest(manifest: Path) -> dict[str, tuple[PhotoPlace, ...]]:
    groups: defaultdict[tuple[str, str], list[tuple[float, Path]]] = defaultdict(list)
    with manifest.open(newline="", encoding="utf-8") as lines:
        for number, row in enumerate(csv.DictReader(lines), start=2):
            try:
                photo = manifest.parent / row["file"]
                key = (row["country_code"], row.get("location_id") or row["file"])
                groups[key].append((float(row.get("heading") or 0), photo))
            except (KeyError, ValueError) as error:
                raise InvalidManifest(f"{manifest}, line {number}: {error}") from None
            if not photo.is_file():
                raise InvalidManifest(f"{manifest}, line {number}: {photo} is not there.")
    places: defaultdict[str, list[PhotoPlace]] = defaultdict(list)
    for (country_code, _), photos in sorted(groups.items()):
        places[country_code].append(PhotoPlace(tuple(photo for _, photo in sorted(photos))))
    return {code: tuple(group) for code, group in places.items()}


def _from_folders(folder: Path) -> dict[str, tuple[PhotoPlace, ...]]:
    """Each photo is a place of its own, for nothing says which belong together."""
    places = {}
    for country in sorted(path for path in folder.glob("[A-Z][A-Z]") if path.is_dir()):
        photos = sorted(path for path in country.iterdir() if path.suffix.lower() in SUFFIXES)
        if photos:
            places[country.name] = tuple(PhotoPlace((photo,)) for photo in photos)
    return places


def _fitted(photo: Path, width: int, height: int) -> bytes:
    """The photo's middle at exactly that size, as JPEG. Raises InvalidManifest."""
    try:
        picture = load_photo(photo.read_bytes(), side=max(width, height))
    except InvalidImage as error:
        raise InvalidManifest(f"{photo}: {error}") from None
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    return encode_picture(fitted, quality=JPEG_QUALITY)
