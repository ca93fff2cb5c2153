"""Serves photos from a folder instead of drawn scenes."""

import csv
import hashlib
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageOps

from euguess.errors import InvalidManifest
from euguess.images.photo_headers import InvalidImage
from euguess.images.preprocessing import load_photo
from services.simulator.imagery import View
from services.simulator.jpeg import encode_picture
from services.simulator.world import Panorama

MANIFEST = "manifest.csv"
SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
JPEG_QUALITY = 90


@dataclass(frozen=True, slots=True)
class PhotoLocation:
    """The photos of one location, in the order of their headings."""

    photos: tuple[Path, ...]

    def photo(self, heading: float) -> Path:
        """Return the photo for a heading; each photo covers an equal sector of the full turn."""
        return self.photos[int(heading % 360 / 360 * len(self.photos))]


class PhotoImagery:
    """Chooses a photo by the panorama's id and the heading; fov and pitch are ignored."""

    def __init__(
        self, locations: dict[str, tuple[PhotoLocation, ...]], *, cached: int = 256
    ) -> None:
        self._locations = locations
        self._fitted = lru_cache(maxsize=cached)(_fitted)

    def picture(self, panorama: Panorama, view: View) -> bytes:
        """Return the photo of a view. Raises KeyError for a country without photos."""
        locations = self._locations[panorama.country_code]
        digest = hashlib.blake2b(panorama.pano_id.encode(), digest_size=8).digest()
        location = locations[int.from_bytes(digest, "big") % len(locations)]
        return self._fitted(location.photo(view.heading), view.width, view.height)


def read_photos(folder: Path) -> dict[str, tuple[PhotoLocation, ...]]:
    """Read locations by country code, from manifest.csv if it exists, else from FR/*.jpg, ...

    Raises InvalidManifest.
    """
    manifest = folder / MANIFEST
    locations = _from_manifest(manifest) if manifest.is_file() else _from_folders(folder)
    if not locations:
        raise InvalidManifest(
            f"{folder} has no photos. Add a {MANIFEST} with the columns file and country_code, "
            "or a folder of JPEG files for each country code (FR, PL, ...)."
        )
    return locations


def _from_manifest(manifest: Path) -> dict[str, tuple[PhotoLocation, ...]]:
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
                raise InvalidManifest(f"{manifest}, line {number}: {photo} does not exist.")
    locations: defaultdict[str, list[PhotoLocation]] = defaultdict(list)
    for (country_code, _), photos in sorted(groups.items()):
        locations[country_code].append(PhotoLocation(tuple(photo for _, photo in sorted(photos))))
    return {code: tuple(group) for code, group in locations.items()}


def _from_folders(folder: Path) -> dict[str, tuple[PhotoLocation, ...]]:
    """Make each photo its own location, since their grouping is unknown."""
    locations = {}
    for country in sorted(path for path in folder.glob("[A-Z][A-Z]") if path.is_dir()):
        photos = sorted(path for path in country.iterdir() if path.suffix.lower() in SUFFIXES)
        if photos:
            locations[country.name] = tuple(PhotoLocation((photo,)) for photo in photos)
    return locations


def _fitted(photo: Path, width: int, height: int) -> bytes:
    """Crop and resize a photo to exactly this size, as JPEG. Raises InvalidManifest."""
    try:
        picture = load_photo(photo.read_bytes(), side=max(width, height))
    except InvalidImage as error:
        raise InvalidManifest(f"{photo}: {error}") from None
    fitted = ImageOps.fit(picture, (width, height), Image.Resampling.BILINEAR)
    return encode_picture(fitted, quality=JPEG_QUALITY)
