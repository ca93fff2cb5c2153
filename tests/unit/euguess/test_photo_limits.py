"""Photos are checked by their headers before they are decoded."""

import io
import struct
import zlib
from contextlib import suppress
from random import Random

import pytest
from PIL import Image, ImageOps

from euguess.images.photo_headers import ImageTooLarge, InvalidImage
from euguess.images.photo_limits import PHOTO, check_photo, view_limits
from euguess.images.preprocessing import decode_photo, load_photo
from tests.support.hostile_photos import (
    UNWRITABLE_EXIF,
    encoded,
    exif,
    inserted,
    many_scans,
    picture,
    resized_header,
    segment,
    unwritable_exif,
)

KINDS = ("JPEG", "PNG", "WEBP")
PLAIN = encoded(picture(64, 48))


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width: int, height: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IEND", b"")


def webp_of(width: int, height: int) -> bytes:
    canvas = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + canvas
    return b"RIFF" + struct.pack("<I", len(body)) + body


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"lossless": True}, {"exif": exif(6)}])
def test_the_header_tells_the_format_and_size(kind: str, options: dict[str, object]) -> None:
    header = check_photo(encoded(picture(70, 50), kind, **options))
    assert (header.format, header.size) == (kind, (70, 50))


def test_a_jpeg_of_a_thousand_scans_is_too_large() -> None:
    with pytest.raises(ImageTooLarge, match="1000 progressive scans; at most 32"):
        check_photo(many_scans(1000))


@pytest.mark.parametrize("scans", [10, PHOTO.max_scans])
def test_a_progressive_jpeg_of_few_scans_is_decoded(scans: int) -> None:
    assert check_photo(many_scans(scans)).scans == scans
    assert decode_photo(many_scans(scans), 32).shape == (32, 32, 3)


def test_scans_of_thumbnails_and_appended_files_do_not_count() -> None:
    appended = many_scans(1000)
    with_thumbnail = inserted(PLAIN, segment(0xE1, many_scans(100)[:60_000]))
    assert check_photo(with_thumbnail + appended).scans == 1


@pytest.mark.parametrize(
    ("data", "most"),
    [
        (resized_header(PLAIN, 8193, 6226), 51_000_000),
        (resized_header(many_scans(10), 5001, 5000), 25_000_000),
        (png_of(4001, 4000), 16_000_000),
        (webp_of(4001, 4000), 16_000_000),
        (png_of(2**31 - 1, 2**31 - 1), 16_000_000),
    ],
)
def test_more_pixels_than_the_format_may_have_are_too_large(data: bytes, most: int) -> None:
    with pytest.raises(ImageTooLarge, match=f"at most {most} in all"):
        check_photo(data)


@pytest.mark.parametrize(
    ("width", "height"), [(4032, 3024), (5712, 4284), (8064, 6048), (8160, 6144), (8192, 6144)]
)
def test_photos_of_phones_with_12_to_50_megapixels_are_accepted(width: int, height: int) -> None:
    assert check_photo(resized_header(PLAIN, width, height)).size == (width, height)


@pytest.mark.parametrize(
    "data",
    [
        inserted(PLAIN, segment(0xFE, b"") * (PHOTO.max_segments + 1)),
        inserted(png_of(64, 48), png_chunk(b"tEXt", b"") * (PHOTO.max_segments + 1), 33),
        webp_of(64, 48) + b"JUNK\0\0\0\0" * (PHOTO.max_segments + 1),
    ],
)
def test_too_many_segments_are_too_large(data: bytes) -> None:
    with pytest.raises(ImageTooLarge, match="more than 10000 segments"):
        check_photo(data)


def test_a_file_of_nothing_but_fill_bytes_is_damaged() -> None:
    with pytest.raises(InvalidImage, match="damaged"):
        check_photo(b"\xff\xd8" + b"\xff" * (PHOTO.max_bytes - 2))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animations_are_invalid(kind: str) -> None:
    frames = [picture(32, 32), picture(32, 32).rotate(90)]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    with pytest.raises(InvalidImage, match="animated"):
        check_photo(data)


def test_the_first_picture_of_several_in_one_jpeg_is_decoded() -> None:
    """Phones append depth maps and the like."""
    first, second = picture(64, 64), Image.new("RGB", (32, 32))
    data = encoded(first, "MPO", save_all=True, append_images=[second])
    assert load_photo(data, side=64).size == (64, 64)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (inserted(PLAIN, PLAIN[PLAIN.index(b"\xff\xc0") :][:19]), "damaged"),  # two frames
        (PLAIN.replace(b"\xff\xc0", b"\xff\xc3", 1), "rare JPEG coding"),  # lossless
        (PLAIN.replace(b"\xff\xc0", b"\xff\xc9", 1), "rare JPEG coding"),  # arithmetic
        (inserted(PLAIN, b"\xff\x02\x00\x04ab"), "damaged"),  # libjpeg may look inside
        (inserted(png_of(64, 48), png_of(64, 48)[8:33], 33), "damaged"),  # two headers
        (PLAIN[:20], "damaged"),
        (b"\xff\xd8\xff\xd9", "damaged"),
        (b"RIFF\0\0\0\0WEBP", "damaged"),
    ],
)
def test_a_file_that_decoders_may_read_in_different_ways_is_invalid(
    data: bytes, reason: str
) -> None:
    with pytest.raises(InvalidImage, match=reason):
        check_photo(data)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_turned_upright_as_their_orientation_says(kind: str, orientation: int) -> None:
    data = encoded(picture(64, 48), kind, exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as image:
        expected = ImageOps.exif_transpose(image).convert("RGB")
    upright = load_photo(data, side=64)
    assert upright.tobytes() == expected.tobytes()
    assert check_photo(data).upright_size == expected.size


@pytest.mark.parametrize(
    "metadata",
    [
        exif(0),
        exif(9),
        b"Exif\0\0",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        exif(6)[:-20],
        b"Exif\0\0words of another format",
    ],
)
def test_a_damaged_orientation_turns_nothing(metadata: bytes) -> None:
    assert load_photo(encoded(picture(64, 48), exif=metadata), side=64).size == (64, 48)


@pytest.mark.parametrize("name", UNWRITABLE_EXIF)
def test_exif_that_pillow_cannot_write_still_turns_the_photo(name: str) -> None:
    data = unwritable_exif(name)
    with Image.open(io.BytesIO(data)) as image, pytest.raises((TypeError, struct.error)):
        ImageOps.exif_transpose(image)
    turned = encoded(picture(64, 64), exif=exif(6))
    assert load_photo(data, side=64).tobytes() == load_photo(turned, side=64).tobytes()


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_metadata_do_not_reach_the_decoder(kind: str) -> None:
    data = encoded(picture(64, 48), kind, exif=exif(1), icc_profile=b"profile" * 100)
    header = check_photo(data)
    assert len(header.encoded) < len(data)
    assert b"profile" not in header.encoded
    with Image.open(io.BytesIO(data)) as image:
        assert load_photo(header, side=64).tobytes() == image.tobytes()


@pytest.mark.parametrize("kind", KINDS)
def test_changed_bytes_are_decoded_or_invalid(kind: str) -> None:
    random = Random(0)
    original = encoded(picture(48, 48), kind, exif=exif(6))
    for _ in range(400):
        data = bytearray(original)
        for _ in range(random.randint(1, 8)):
            data[random.randrange(len(data))] = random.randrange(256)
        with suppress(InvalidImage):
            assert decode_photo(bytes(data), 16).shape == (16, 16, 3)


def test_a_view_may_have_no_more_pixels_or_bytes_than_its_size_needs() -> None:
    limits = view_limits(64)
    check_photo(encoded(picture(64, 64)), limits)
    with pytest.raises(ImageTooLarge, match="pixels"):
        check_photo(encoded(picture(65, 64)), limits)
    with pytest.raises(ImageTooLarge, match="bytes"):
        check_photo(encoded(picture(64, 64)) + bytes(limits.max_bytes), limits)
    with pytest.raises(InvalidImage, match="only JPEG"):
        check_photo(encoded(picture(64, 64), "PNG"), limits)
