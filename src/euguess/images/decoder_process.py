"""Decodes photos that a parent process sends, within limits on CPU time and memory.

It runs as a script in a process of its own: see limited_decoder.py. The kernel ends it when a
photo takes too much CPU time. It ends by itself when its parent is gone.
"""

import contextlib
import resource
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING or __package__:
    from euguess.images.photo_headers import ImageTooLarge, InvalidImage
    from euguess.images.preprocessing import decode_photo, decode_thumbnail
else:  # as a script, beside these modules
    from photo_headers import ImageTooLarge, InvalidImage
    from preprocessing import decode_photo, decode_thumbnail

SQUARE, THUMBNAIL = 0, 1  # what to decode
REQUEST = struct.Struct(">BIQ")  # what to decode, side in pixels, bytes of the photo, which follow
REPLY = struct.Struct(
    ">BII"
)  # outcome, height and width of the pixels or 0 and bytes of the reason
READY, PIXELS, INVALID, TOO_LARGE = 0, 1, 2, 3  # outcomes

CPU_SECONDS = 10  # per photo; the largest accepted photos take 1 to 3
# Beyond the memory of the idle process; the largest accepted photos take 300 MB.
MEMORY_BYTES = 512 * 2**20

_DECODERS: dict[int, Callable[[bytes, int], NDArray[np.uint8]]] = {
    SQUARE: decode_photo,
    THUMBNAIL: decode_thumbnail,
}


def serve(requests: BinaryIO, replies: BinaryIO) -> None:
    """Answer requests until their stream ends."""
    _reply(replies, READY, 0, 0, b"")
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        kind, side, count = REQUEST.unpack(head)
        _limit_cpu_time()
        _reply(replies, *_answer(kind, requests.read(count), side))


def _answer(kind: int, data: bytes, side: int) -> tuple[int, int, int, bytes]:
    try:
        pixels = _DECODERS[kind](data, side)
    except ImageTooLarge as error:
        return _reason(TOO_LARGE, str(error))
    except MemoryError:
        return _reason(TOO_LARGE, "The image takes too much memory to decode; send a smaller one.")
    except InvalidImage as error:
        return _reason(INVALID, str(error))
    return PIXELS, *pixels.shape[:2], pixels.tobytes()


def _reason(outcome: int, text: str) -> tuple[int, int, int, bytes]:
    encoded = text.encode()
    return outcome, 0, len(encoded), encoded


def _reply(replies: BinaryIO, outcome: int, height: int, width: int, body: bytes) -> None:
    replies.write(REPLY.pack(outcome, height, width) + body)
    replies.flush()


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _limit_cpu_time() -> None:
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS + 1
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # macOS limits no address space and has no /proc
        _limit_memory()
    with contextlib.suppress(BrokenPipeError):  # the parent has ended
        serve(sys.stdin.buffer, sys.stdout.buffer)
