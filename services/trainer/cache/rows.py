"""Images of a cache build: an array on disk and a journal of completed rows."""

import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from euguess.process.files import staged
from services.trainer.cache.format import IMAGES, Pixels, row_crc32
from services.trainer.dataset.view_index import Rows

JOURNAL = "rows.bin"  # one little-endian uint64 per row: 0, or DONE + CRC-32 of its pixels
DONE = np.uint64(1 << 32)


@dataclass(frozen=True, slots=True)
class WrittenRow:
    """A row that is written to the file, but may not be synced to disk yet."""

    row: int
    crc32: int


class ImageRows:
    """A context manager for writing rows in any order.

    Rows are synced before they are marked as done, and done rows are checked against their CRC-32
    when a build is resumed, so a kill or a power cut at any point loses only unmarked rows.
    It uses plain writes, since on a full disk a memory-mapped write kills the process (SIGBUS).
    """

    def __init__(self, folder: Path, *, images: int, size: int) -> None:
        self._shape = (images, size, size, 3)
        self._row_bytes = size * size * 3
        self._preamble = _npy_preamble(self._shape)
        self._path = folder / IMAGES
        self._images = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644)
        self._journal = os.open(folder / JOURNAL, os.O_RDWR | os.O_CREAT, 0o644)
        self.marks = self._continue()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        os.close(self._images)
        os.close(self._journal)

    @property
    def size(self) -> int:
        """Side of the images in pixels."""
        return self._shape[1]

    @property
    def missing(self) -> Rows:
        """Rows that are not done."""
        return np.flatnonzero(self.marks == 0)

    @property
    def crc32s(self) -> NDArray[np.uint32]:
        """CRC-32 of each row; valid for done rows only."""
        return (self.marks & (DONE - np.uint64(1))).astype(np.uint32)

    def write(self, row: int, pixels: Pixels) -> WrittenRow:
        """Write one image (S, S, 3) to the file; thread-safe."""
        _write_all(self._images, memoryview(pixels.tobytes()), self._at(row))
        return WrittenRow(row, row_crc32(pixels))

    def read(self, row: int) -> Pixels:
        data = os.pread(self._images, self._row_bytes, self._at(row))
        return np.frombuffer(data, dtype=np.uint8).reshape(self._shape[1:])

    def commit(self, written: Sequence[WrittenRow]) -> None:
        """Sync the images, then mark their rows as done."""
        os.fsync(self._images)
        rows = [one.row for one in written]
        self.marks[rows] = DONE + np.array([one.crc32 for one in written], dtype=np.uint64)
        for row in rows:
            _write_all(self._journal, memoryview(self.marks[row].tobytes()), 8 * row)
        os.fsync(self._journal)

    def keep(self, rows: Rows) -> None:
        """Shrink the file to some of its rows; this object must not be used afterwards."""
        with staged(self._path, durable=True) as part, part.open("wb") as file:
            file.write(_npy_preamble((len(rows), *self._shape[1:])))
            for row in rows:
                file.write(self.read(int(row)).data)

    def _at(self, row: int) -> int:
        return len(self._preamble) + row * self._row_bytes

    def _continue(self) -> NDArray[np.uint64]:
        """Return the marks of complete rows from an earlier build of the same shape, if any."""
        marks = np.zeros(self._shape[0], dtype="<u8")
        if os.pread(self._images, len(self._preamble), 0) == self._preamble:
            found = np.frombuffer(os.pread(self._journal, marks.nbytes, 0), dtype="<u8")
            marks[: len(found)] = found
        else:
            os.truncate(self._journal, 0)
            os.truncate(self._images, 0)
            _write_all(self._images, memoryview(self._preamble), 0)
        for row in np.flatnonzero(marks):
            if not self._is_whole(int(row), marks[row]):
                marks[row] = 0
        return marks

    def _is_whole(self, row: int, mark: np.uint64) -> bool:
        data = os.pread(self._images, self._row_bytes, self._at(row))
        return len(data) == self._row_bytes and mark == DONE + np.uint64(
            row_crc32(np.frombuffer(data, dtype=np.uint8))
        )


def _npy_preamble(shape: tuple[int, ...]) -> bytes:
    """Return the bytes before the pixels in a .npy file."""
    buffer = io.BytesIO()
    header: dict[str, Any] = {"descr": "|u1", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue()


def _write_all(handle: int, data: memoryview, offset: int) -> None:
    """Write all bytes; a nearly full file system may accept only some of them, then fail."""
    while data:
        count = os.pwrite(handle, data, offset)
        data, offset = data[count:], offset + count
