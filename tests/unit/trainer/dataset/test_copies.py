"""Perceptual hashes: near for copies of a photo, far for others."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from euguess.images.perceptual_hash import hash_images
from euguess.images.preprocessing import decode_photo
from services.trainer.dataset.copies import MAX_BITS, copy_links, nearest_copies


def encoded(image: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def hashes_of(photos: list[bytes], size: int = 64) -> np.ndarray:
    return hash_images(np.stack([decode_photo(data, size) for data in photos]))


def bits_apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return np.asarray(np.bitwise_count(one ^ other))


def photo(seed: int) -> bytes:
    """Draw random blocks with all low frequencies, as in a street scene."""
    coarse = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    return encoded(Image.fromarray(coarse).resize((256, 256), Image.Resampling.BICUBIC), 90)


PHOTOS = [photo(seed) for seed in range(40)]


def test_copies_are_near_and_other_photos_far() -> None:
    opened = [Image.open(io.BytesIO(data)) for data in PHOTOS]
    own = hashes_of(PHOTOS)
    for copies in (
        [encoded(image, 40) for image in opened],
        [encoded(image.resize((128, 128)), 80) for image in opened],
        [encoded(image.point(lambda value: 0.9 * value), 90) for image in opened],
    ):
        assert bits_apart(own, hashes_of(copies)).max() <= MAX_BITS
    assert copy_links(own).tolist() == []


@pytest.mark.parametrize("size", [33, 48, 224])
def test_the_image_size_of_the_cache_hardly_matters(size: int) -> None:
    assert bits_apart(hashes_of(PHOTOS), hashes_of(PHOTOS, size)).max() <= MAX_BITS


def test_the_transform_agrees_with_scipy() -> None:
    from scipy.fft import dctn

    pixels = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    frequencies = dctn(pixels[0] @ np.array([0.299, 0.587, 0.114]))[1:9, 1:9].ravel()
    expected = np.packbits(frequencies > np.median(frequencies)).view(np.uint64)
    assert hash_images(pixels) == expected


def near_hashes(draw: st.DrawFn) -> np.ndarray:
    """Draw hashes of which many are equal or differ in a few bits."""
    some = draw(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=8))
    picks = st.tuples(st.sampled_from(some), st.lists(st.integers(0, 63), max_size=7, unique=True))
    drawn = draw(st.lists(picks, max_size=60))
    return np.array([seed ^ sum(2**bit for bit in bits) for seed, bits in drawn], dtype=np.uint64)


hash_lists = st.composite(near_hashes)()


def groups_of(links: np.ndarray, count: int) -> np.ndarray:
    graph = coo_array((np.ones(len(links)), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1])


@given(hashes=hash_lists)
@settings(max_examples=60, deadline=None)
def test_links_join_the_same_rows_as_a_check_of_each_pair(hashes: np.ndarray) -> None:
    pairs = np.argwhere(bits_apart(hashes[:, None], hashes) <= MAX_BITS)
    links = copy_links(hashes)
    assert groups_of(links, len(hashes)).tolist() == groups_of(pairs, len(hashes)).tolist()


@given(hashes=hash_lists, others=hash_lists)
@settings(max_examples=60, deadline=None)
def test_nearest_copies_agree_with_a_check_of_each_pair(
    hashes: np.ndarray, others: np.ndarray
) -> None:
    expected = np.full(len(hashes), -1)
    if len(others):
        bits = bits_apart(hashes[:, None], others)
        nearest = bits.argmin(axis=1) if len(hashes) else np.array([], dtype=np.int64)
        expected = np.where(bits.min(axis=1, initial=64) <= MAX_BITS, nearest, -1)
    assert nearest_copies(hashes, others).tolist() == expected.tolist()


def test_a_thousand_blank_photos_are_linked_in_a_chain() -> None:
    assert len(copy_links(np.zeros(1000, dtype=np.uint64))) == 999


def test_empty_inputs_have_no_copies() -> None:
    nothing = np.array([], dtype=np.uint64)
    assert nearest_copies(np.zeros(3, dtype=np.uint64), nothing).tolist() == [-1, -1, -1]
    assert copy_links(nothing).shape == (0, 2)
    assert len(hash_images(np.zeros((0, 64, 64, 3), dtype=np.uint8))) == 0


@pytest.mark.photos
def test_no_two_places_of_the_real_photos_are_mistaken_for_copies(photos: Path) -> None:
    manifest = (photos / "streetview" / "manifest.csv").read_text().splitlines()[1:]
    chosen = [line.split(",")[0] for line in manifest[::8]]
    found = hashes_of([(photos / "streetview" / name).read_bytes() for name in chosen])
    assert copy_links(found).tolist() == []
