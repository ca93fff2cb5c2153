"""Decode photos of unknown people in a process with limits on time and memory.

A hostile photo costs that process, never the one that serves. This file is part of each model
archive, so it needs only NumPy and the modules beside it.
"""

import contextlib
import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from euguess.images import decoder_process
    from euguess.images.photo_headers import ImageTooLarge, InvalidImage
else:  # in an archive, whose files are all in one folder
    import decoder_process
    from photo_headers import ImageTooLarge, InvalidImage

PHOTO_SECONDS = 10.0  # of wall time for one photo
START_SECONDS = 60.0
END_SECONDS = 5.0

Pixels = NDArray[np.uint8]


class LimitedDecoder:
    """Decodes one photo at a time in a process of its own, which is replaced when it fails.

    The process starts with the first photo and ends with this object or its owner's process. It
    has no environment variables of its parent, and so no secrets.
    """

    def __init__(self, photo_seconds: float = PHOTO_SECONDS) -> None:
        self._photo_seconds = photo_seconds
        self._deadline = float("inf")
        self._process: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] = lambda: None

    def allow(self, seconds: float) -> None:
        """Let the photos from now on take this much wall time together."""
        self._deadline = time.monotonic() + seconds

    def start(self) -> None:
        """Start the process unless it runs, which takes about 0.3 s. Raises RuntimeError."""
        if self._process is not None and self._process.poll() is None:
            return
        self._process = _start()
        self._end = weakref.finalize(self, _end, self._process)

    def decode_photo(self, data: bytes, size: int) -> Pixels:
        """Decode as preprocessing.decode_photo does.

        Raises InvalidImage; ImageTooLarge if time or memory do not suffice.
        """
        return self._decode(decoder_process.SQUARE, data, size)

    def decode_thumbnail(self, data: bytes, side: int) -> Pixels:
        """Decode as preprocessing.decode_thumbnail does. Raises as decode_photo does."""
        return self._decode(decoder_process.THUMBNAIL, data, side)

    def _decode(self, kind: int, data: bytes, side: int) -> Pixels:
        if time.monotonic() >= self._deadline:
            raise ImageTooLarge("The photos take too long to decode; send fewer or smaller ones.")
        self.start()
        assert self._process is not None
        deadline = min(time.monotonic() + self._photo_seconds, self._deadline)
        try:
            with _killed_at(deadline, self._process):
                return _exchange(self._process, kind, data, side)
        except (OSError, EOFError):
            self._end()
            raise ImageTooLarge(
                "The image takes too long to decode; send a smaller one or a baseline JPEG."
            ) from None
        finally:
            if time.monotonic() >= deadline:  # it may be killed after its answer
                self._end()


class DecoderPool:
    """Decoders that threads share. The most recently used one is taken first."""

    def __init__(self, count: int) -> None:
        self._free: queue.LifoQueue[LimitedDecoder] = queue.LifoQueue()
        for _ in range(count):
            self._free.put(LimitedDecoder())

    def decode_photo(self, data: bytes, size: int) -> Pixels:
        """Decode as LimitedDecoder.decode_photo does."""
        with self._decoder() as decoder:
            return decoder.decode_photo(data, size)

    def decode_thumbnail(self, data: bytes, side: int) -> Pixels:
        """Decode as LimitedDecoder.decode_thumbnail does."""
        with self._decoder() as decoder:
            return decoder.decode_thumbnail(data, side)

    @contextmanager
    def _decoder(self) -> Iterator[LimitedDecoder]:
        decoder = self._free.get()
        try:
            yield decoder
        finally:
            self._free.put(decoder)


def _start() -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, decoder_process.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        with _killed_at(time.monotonic() + START_SECONDS, process):
            _receive(process)
    except (OSError, EOFError):
        _end(process)
        raise RuntimeError("The process that decodes photos did not start.") from None
    return process


@contextmanager
def _killed_at(deadline: float, process: "subprocess.Popen[bytes]") -> Iterator[None]:
    """Kill a process at a deadline of time.monotonic, which ends reads and writes of its pipes."""
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), process.kill)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _exchange(process: "subprocess.Popen[bytes]", kind: int, data: bytes, side: int) -> Pixels:
    """Send a photo and receive its pixels. Raises InvalidImage, and OSError or EOFError."""
    assert process.stdin is not None
    process.stdin.write(decoder_process.REQUEST.pack(kind, side, len(data)))
    process.stdin.write(data)
    process.stdin.flush()
    return _receive(process)


def _receive(process: "subprocess.Popen[bytes]") -> Pixels:
    assert process.stdout is not None
    head = _read(process.stdout, decoder_process.REPLY.size)
    outcome, height, width = decoder_process.REPLY.unpack(head)
    if outcome in (decoder_process.READY, decoder_process.PIXELS):
        body = _read(process.stdout, 3 * height * width)
        return np.frombuffer(body, np.uint8).reshape(height, width, 3)
    reason = _read(process.stdout, width).decode()
    raise ImageTooLarge(reason) if outcome == decoder_process.TOO_LARGE else InvalidImage(reason)


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError
    return data


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.kill()
    process.wait(END_SECONDS)
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):  # unsent bytes of a request
                stream.close()
