import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euguess.errors import InvalidManifest
from euguess.geography.locations import Coordinate
from services.simulator.imagery import CachedImagery, View
from services.simulator.photos import PhotoImagery, read_photos
from services.simulator.world import Panorama

VIEW = View(48, 32, 0)


def panorama(number: int, country_code: str = "FR") -> Panorama:
    return Panorama(f"panorama-{number}", Coordinate(48, 8), country_code, "2020-05")


def write_photo(path: Path, colour: tuple[int, int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (90, 60), colour).save(path, quality=95)


def mean_colour(jpeg: bytes) -> tuple[float, float, float]:
    red, green, blue = np.asarray(Image.open(io.BytesIO(jpeg))).mean(axis=(0, 1)).tolist()
    return red, green, blue


@pytest.fixture
def manifest_folder(tmp_path: Path) -> Path:
    """A folder with one French location: a red view to the north, a blue one to the south."""
    write_photo(tmp_path / "images/a.jpg", (250, 10, 10))
    write_photo(tmp_path / "images/b.jpg", (10, 10, 250))
    (tmp_path / "manifest.csv").write_text(
        "file,country_code,heading,location_id\nimages/b.jpg,FR,180,p1\nimages/a.jpg,FR,0,p1\n"
    )
    return tmp_path


def test_the_views_of_a_location_are_served_by_heading(manifest_folder: Path) -> None:
    imagery = PhotoImagery(read_photos(manifest_folder))
    north = imagery.picture(panorama(1), VIEW)
    south = imagery.picture(panorama(1), View(48, 32, 200))
    assert mean_colour(north)[0] > 200 > 100 > mean_colour(north)[2]
    assert mean_colour(south)[2] > 200 > 100 > mean_colour(south)[0]


@pytest.mark.parametrize("size", [(48, 32), (20, 50), (640, 640)])
def test_photos_are_fitted_to_the_requested_size(
    manifest_folder: Path, size: tuple[int, int]
) -> None:
    imagery = PhotoImagery(read_photos(manifest_folder))
    assert Image.open(io.BytesIO(imagery.picture(panorama(1), View(*size, 0)))).size == size


def test_a_panorama_always_shows_the_same_photo_and_others_may_show_another(tmp_path: Path) -> None:
    for i in range(5):
        write_photo(tmp_path / f"FR/{i}.jpg", (50 * i, 100, 100))
    imagery = PhotoImagery(read_photos(tmp_path))
    shown = [imagery.picture(panorama(i), VIEW) for i in range(40)]
    assert shown == [imagery.picture(panorama(i), VIEW) for i in range(40)]
    assert len(set(shown)) == 5


def test_folders_that_are_not_country_codes_are_ignored(tmp_path: Path) -> None:
    write_photo(tmp_path / "PL/a.jpeg", (1, 2, 3))
    write_photo(tmp_path / "notes/a.jpg", (1, 2, 3))
    (tmp_path / "PL/readme.txt").write_text("no photo")
    assert list(read_photos(tmp_path)) == ["PL"]


def test_a_folder_without_photos_is_rejected_with_advice(tmp_path: Path) -> None:
    with pytest.raises(InvalidManifest, match=r"manifest\.csv"):
        read_photos(tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("file,country_code\nnone.jpg,FR\n", "line 2: .* does not exist"),
        ("file,heading\na.jpg,0\n", "line 2: 'country_code'"),
        ("file,country_code,heading\nimages/a.jpg,FR,north\n", "line 2: could not convert"),
    ],
)
def test_a_manifest_error_names_its_line(manifest_folder: Path, text: str, reason: str) -> None:
    (manifest_folder / "manifest.csv").write_text(text)
    with pytest.raises(InvalidManifest, match=reason):
        read_photos(manifest_folder)


def test_a_damaged_photo_is_named(manifest_folder: Path) -> None:
    damaged = manifest_folder / "images/a.jpg"
    damaged.write_bytes(damaged.read_bytes()[:200])
    with pytest.raises(InvalidManifest, match=r"a\.jpg: The image is damaged"):
        PhotoImagery(read_photos(manifest_folder)).picture(panorama(1), VIEW)


@pytest.mark.photos
def test_the_shared_collection_can_be_served(photos: Path) -> None:
    places = read_photos(photos / "streetview")
    jpeg = PhotoImagery(places).picture(panorama(1, "HR"), View(640, 640, 120))
    assert len(places) == 26
    assert Image.open(io.BytesIO(jpeg)).size == (640, 640)


class CountingImagery:
    """Makes pictures of 100 bytes and records them."""

    def __init__(self) -> None:
        self.made: list[str] = []

    def picture(self, panorama: Panorama, view: View) -> bytes:
        self.made.append(panorama.pano_id)
        return bytes(100)


async def test_the_latest_pictures_are_cached_up_to_a_number_of_bytes() -> None:
    source = CountingImagery()
    cached = CachedImagery(source, threads=1, cache_bytes=250)
    for number in (1, 2, 1, 3, 1, 2):
        await cached.picture(panorama(number), VIEW)
    cached.close()
    assert source.made == ["panorama-1", "panorama-2", "panorama-3", "panorama-2"]
