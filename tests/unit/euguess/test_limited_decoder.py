"""Photos of unknown people are decoded in a process with limits."""

import gc
import resource
from pathlib import Path

import numpy as np
import psutil
import pytest

from euguess.images.limited_decoder import DecoderPool, LimitedDecoder
from euguess.images.photo_headers import ImageTooLarge, InvalidImage
from euguess.images.preprocessing import decode_photo, decode_thumbnail
from tests.support.hostile_photos import encoded, many_scans, picture

PHOTO = encoded(picture(96, 64))


@pytest.fixture(scope="module")
def decoder() -> LimitedDecoder:
    decoder = LimitedDecoder()
    decoder.start()
    return decoder


def process_of(decoder: LimitedDecoder) -> psutil.Process:
    assert decoder._child is not None
    return psutil.Process(decoder._child.process.pid)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_pixels_are_those_of_this_process(decoder: LimitedDecoder, kind: str) -> None:
    data = encoded(picture(96, 64), kind)
    assert np.array_equal(decoder.decode_photo(data, 32), decode_photo(data, 32))
    assert np.array_equal(decoder.decode_thumbnail(data, 32), decode_thumbnail(data, 32))


def test_the_reason_for_an_invalid_photo_is_passed_on(decoder: LimitedDecoder) -> None:
    process = process_of(decoder)
    with pytest.raises(InvalidImage, match="truncated") as caught:
        decoder.decode_photo(PHOTO[:300], 32)
    assert not isinstance(caught.value, ImageTooLarge)
    with pytest.raises(ImageTooLarge, match="1000 progressive scans"):
        decoder.decode_photo(many_scans(1000), 32)
    assert process_of(decoder) == process


def test_a_photo_that_takes_too_long_costs_the_process_and_the_next_one_is_decoded(
    decoder: LimitedDecoder,
) -> None:
    process, costly = process_of(decoder), many_scans(32, side=2500)
    decoder.allow(0.05)
    with pytest.raises(ImageTooLarge, match="too long"):
        decoder.decode_photo(costly, 32)
    with pytest.raises(ImageTooLarge, match="too long"):
        decoder.decode_photo(PHOTO, 32)
    decoder.allow(60)
    assert decoder.decode_photo(PHOTO, 32).shape == (32, 32, 3)
    assert process_of(decoder) != process


def test_a_photo_that_takes_too_much_memory_is_refused(decoder: LimitedDecoder) -> None:
    process = process_of(decoder)
    limits = process.rlimit(psutil.RLIMIT_AS)
    process.rlimit(psutil.RLIMIT_AS, (process.memory_info().vms + 20_000_000, limits[1]))
    with pytest.raises(ImageTooLarge, match="too much memory"):
        decoder.decode_photo(encoded(picture(4000, 3000), "PNG"), 32)
    process.rlimit(psutil.RLIMIT_AS, limits)
    assert decoder.decode_photo(PHOTO, 32).shape == (32, 32, 3)


def test_memory_and_cpu_time_are_limited(decoder: LimitedDecoder) -> None:
    decoder.decode_photo(PHOTO, 32)
    process = process_of(decoder)
    used = process.cpu_times()
    assert process.rlimit(psutil.RLIMIT_AS)[0] < 2**30
    assert used.user < process.rlimit(psutil.RLIMIT_CPU)[0] <= used.user + used.system + 12
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_a_killed_process_is_replaced(decoder: LimitedDecoder) -> None:
    process_of(decoder).kill()
    process_of(decoder).wait()
    assert decoder.decode_photo(PHOTO, 32).shape == (32, 32, 3)


def test_the_process_has_no_secrets_of_its_parent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EUGUESS_GOOGLE_KEY", "secret")
    decoder = LimitedDecoder()
    decoder.start()
    environment = Path(f"/proc/{process_of(decoder).pid}/environ").read_text()
    assert "PYTHONPATH" in environment
    assert "EUGUESS" not in environment


def test_the_process_ends_with_its_decoder() -> None:
    pool = DecoderPool(2)
    assert pool.decode_thumbnail(PHOTO, 32).shape == (21, 32, 3)
    assert pool.decode_photo(PHOTO, 32).shape == (32, 32, 3)
    process = process_of(pool._free.queue[-1])
    del pool
    gc.collect()
    assert not process.is_running()
