"""Photos as phones write them are read in the same way by import, cache, upload and serving."""

import importlib.util
import io
from collections.abc import Callable
from datetime import datetime
from functools import cache
from pathlib import Path
from random import Random

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from dashboard.sources.photos import picture
from euguess.images.decoding import PhotoDecoder
from euguess.images.heif_boxes import is_heif
from euguess.images.limited_decoder import DecoderPool, LimitedDecoder
from euguess.images.photo_headers import ImageTooLarge, InvalidImage
from euguess.images.photo_limits import PHOTO, FormatUnavailable, check_photo
from euguess.imports.labelled import Labelled, read_labelled
from tests.support.hostile_photos import many_scans, resized_header
from tests.support.phone_photos import phone_photo, scene

SIDE = 32
UPRIGHT_OF_TURNED = Image.Transpose.ROTATE_270  # orientation 6: a phone held upright
KINDS = ("JPEG", "MPO", "HEIF")
TWELVE_MEGAPIXELS, FIFTY_MEGAPIXELS = (4032, 3024), (8160, 6144)
NOON = datetime(2024, 5, 1, 12)  # noqa: DTZ001 - by the clock of a camera

Decode = Callable[[bytes, int], NDArray[np.uint8]]


@cache
def large_photo(kind: str, size: tuple[int, int]) -> bytes:
    return phone_photo(3, kind=kind, size=size, orientation=6)


@pytest.fixture(scope="module")
def limited() -> LimitedDecoder:
    return LimitedDecoder()


def square_of(size: tuple[int, int]) -> NDArray[np.int64]:
    """Return the expected pixels of a photo with orientation 6."""
    upright = scene(3, (size[0] // 32, size[1] // 32)).transpose(UPRIGHT_OF_TURNED)
    side, height = upright.width, upright.height
    box = (0, (height - side) / 2, side, (height + side) / 2)
    small = upright.resize((SIDE, SIDE), Image.Resampling.BILINEAR, box=box)
    return np.asarray(small, dtype=np.int64)


def read(root: Path, name: str, data: bytes) -> Labelled:
    (root / "FR").mkdir()
    (root / "FR" / name).write_bytes(data)
    return read_labelled(root, lambda done, of: None)


@pytest.mark.parametrize(
    ("kind", "size"),
    [
        ("JPEG", TWELVE_MEGAPIXELS),
        ("JPEG", FIFTY_MEGAPIXELS),
        ("MPO", FIFTY_MEGAPIXELS),
        ("HEIF", (1024, 768)),
    ],
)
def test_large_portrait_photos_have_the_same_pixels_everywhere(
    kind: str, size: tuple[int, int], limited: LimitedDecoder
) -> None:
    data, expected = large_photo(kind, size), square_of(size)
    decoders: dict[str, Decode] = {
        "cache and import": PhotoDecoder().decode_photo,
        "TorchServe and dashboard": limited.decode_photo,
    }
    found = {name: decode(data, SIDE) for name, decode in decoders.items()}
    first, second = found.values()
    assert np.array_equal(first, second)
    assert np.abs(first - expected).mean() < 6


@pytest.mark.parametrize("kind", KINDS)
def test_phone_photos_are_imported_with_time_position_and_upright_size(
    tmp_path: Path, kind: str
) -> None:
    data = phone_photo(1, kind=kind, taken_at=NOON, at=(48.86, 2.35), size=(96, 64), orientation=6)
    found = read(tmp_path, "1.jpg", data)
    (photo,) = found.photos
    assert photo.suffix == (".heic" if kind == "HEIF" else ".jpg")
    assert (photo.size, photo.taken_at) == ((64, 96), NOON)
    assert photo.coordinate is not None
    assert (photo.coordinate.lat, photo.coordinate.lon) == pytest.approx((48.86, 2.35), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_uploads_of_phone_photos_are_shown_upright(kind: str) -> None:
    shown = picture(DecoderPool(1), phone_photo(1, kind=kind, size=(96, 64), orientation=6), 48)
    assert shown is not None
    with Image.open(io.BytesIO(shown)) as image:
        assert image.size == (32, 48)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_heic_is_turned_upright(orientation: int) -> None:
    data = phone_photo(1, kind="HEIF", size=(96, 64), orientation=orientation)
    jpeg = phone_photo(1, size=(96, 64), orientation=orientation)
    assert check_photo(data).upright_size == check_photo(jpeg).upright_size
    found, expected = (PhotoDecoder().decode_photo(one, SIDE) for one in (data, jpeg))
    assert np.abs(found.astype(np.int64) - expected).mean() < 8


def two_frames(first: bytes, second: bytes) -> bytes:
    """Return an MPO by hand: one JPEG after the other."""
    return first + second


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (two_frames(resized_header(phone_photo(1), 8193, 6226), phone_photo(2)), "pixels"),
        (two_frames(many_scans(1000), phone_photo(2)), "scans"),
        (phone_photo(1, kind="MPO") + bytes(PHOTO.max_bytes), "bytes"),
    ],
)
def test_further_frames_open_no_way_around_the_limits(data: bytes, reason: str) -> None:
    with pytest.raises(ImageTooLarge, match=reason):
        check_photo(data)


def test_the_frames_after_the_first_are_never_decoded() -> None:
    first, hostile = phone_photo(1), many_scans(1000)
    assert check_photo(two_frames(first, hostile)).encoded == check_photo(first).encoded


def with_size(data: bytes, width: int, height: int) -> bytes:
    """Claim another size in the header of a HEIC photo."""
    at = data.index(b"ispe") + 8
    return data[:at] + width.to_bytes(4) + height.to_bytes(4) + data[at + 8 :]


def test_a_heic_photo_of_too_many_pixels_is_refused_by_its_header() -> None:
    data = phone_photo(1, kind="HEIF")
    assert check_photo(with_size(data, 8064, 6048)).size == (8064, 6048)
    with pytest.raises(ImageTooLarge, match="at most 51000000"):
        check_photo(with_size(data, 8193, 6226))


def test_a_heic_photo_that_claims_fewer_pixels_than_it_has_is_damaged() -> None:
    with pytest.raises(InvalidImage, match="damaged"):
        PhotoDecoder().decode_photo(with_size(phone_photo(1, kind="HEIF"), 16, 16), SIDE)


def test_a_heic_sequence_is_animated() -> None:
    with pytest.raises(InvalidImage, match="animated"):
        check_photo(phone_photo(1, kind="HEIF") + (8).to_bytes(4) + b"moov")


def test_avif_is_no_heic() -> None:
    assert not is_heif((28).to_bytes(4) + b"ftypavif" + bytes(4) + b"avifmif1miaf")


def test_changed_bytes_of_heic_are_decoded_or_invalid(limited: LimitedDecoder) -> None:
    random, original = Random(0), phone_photo(1, kind="HEIF")
    for _ in range(100):
        data = bytearray(original)
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] = random.randrange(256)
        try:
            assert limited.decode_photo(bytes(data), 16).shape == (16, 16, 3)
        except InvalidImage:
            continue


def test_heic_is_decoded_in_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("euguess.images.preprocessing._open_heif", None)
    assert PhotoDecoder().decode_photo(phone_photo(1, kind="HEIF"), 16).shape == (16, 16, 3)


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)


@pytest.mark.usefixtures("without_heic")
def test_without_the_extra_the_message_names_it() -> None:
    with pytest.raises(FormatUnavailable, match=r"pip install 'euguess\[heic\]'"):
        check_photo(phone_photo(1, kind="HEIF"))


@pytest.mark.usefixtures("without_heic")
def test_without_the_extra_a_folder_import_lists_its_heic_photos(tmp_path: Path) -> None:
    found = read(tmp_path, "1.heic", phone_photo(1, kind="HEIF"))
    (left_out,) = found.left_out
    assert left_out.file == "FR/1.heic"
    assert "euguess[heic]" in left_out.reason
    assert not found.problems
