"""Decode photos of unknown people in a process with limits on time and memory.

A hostile photo costs that process, never the one that serves. This file is part of each model
archive, so it needs only NumPy and the modules beside it.
"""

import os
import queue
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

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
        self._child: _Child | None = None
        self._end: Callable[[], object] = lambda: None

    def allow(self, seconds: float) -> None:
        """Let the photos from now on take this much wall time together."""
        self._deadline = time.monotonic() + seconds

    def start(self) -> None:
        """Start the process unless it runs, which takes about 0.3 s. Raises RuntimeError."""
        if self._child is not None and self._child.process.poll() is None:
            return
        self._child = _start()
        self._end = weakref.finalize(self, _end, self._child)

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
        assert self._child is not None
        deadline = min(time.monotonic() + self._photo_seconds, self._deadline)
        try:
            _send(self._child.channel, kind, data, side, deadline)
            return _receive(self._child.channel, deadline)
        except (OSError, EOFError):  # a TimeoutError is an OSError
            self._end()
            raise ImageTooLarge(
                "The image takes too long to decode; send a smaller one or a baseline JPEG."
            ) from None


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


@dataclass(frozen=True)
class _Child:
    """A process that decodes, and our end of the socket that is its standard input and output."""

    process: "subprocess.Popen[bytes]"
    channel: socket.socket


def _start() -> _Child:
    channel, other = socket.socketpair()
    with other:
        process = subprocess.Popen(
            [sys.executable, decoder_process.__file__],
            stdin=other.fileno(),
            stdout=other.fileno(),
            env={"PYTHONPATH": os.pathsep.join(sys.path), "OPENBLAS_NUM_THREADS": "1"},
        )
    child = _Child(process, channel)
    try:
        _receive(channel, time.monotonic() + START_SECONDS)
    except (OSError, EOFError):
        _end(child)
        raise RuntimeError("The process that decodes photos did not start.") from None
    return child


def _send(channel: socket.socket, kind: int, data: bytes, side: int, deadline: float) -> None:
    """Send a request. Raises OSError."""
    channel.settimeout(_seconds_until(deadline))
    channel.sendall(decoder_process.REQUEST.pack(kind, side, len(data)) + data)


def _receive(channel: socket.socket, deadline: float) -> Pixels:
    """Receive a reply. Raises InvalidImage or ImageTooLarge, and OSError or EOFError."""
    head = _read(channel, decoder_process.REPLY.size, deadline)
    outcome, height, width = decoder_process.REPLY.unpack(head)
    if outcome in (decoder_process.READY, decoder_process.PIXELS):
        body = _read(channel, 3 * height * width, deadline)
        return np.frombuffer(body, np.uint8).reshape(height, width, 3)
    reason = _read(channel, width, deadline).decode()
    raise ImageTooLarge(reason) if outcome == decoder_process.TOO_LARGE else InvalidImage(reason)


def _read(channel: socket.socket, count: int, deadline: float) -> bytearray:
    data = bytearray(count)
    rest = memoryview(data)
    while rest:
        channel.settimeout(_seconds_until(deadline))
        received = channel.recv_into(rest)
        if not received:
            raise EOFError
        rest = rest[received:]
    return data


def _seconds_until(deadline: float) -> float:
    """Return the time until a deadline of time.monotonic. Raises TimeoutError after it."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _end(child: _Child) -> None:
    child.process.kill()
    child.process.wait(END_SECONDS)
    child.channel.close()
