"""Decode photos of a dataset, or of the user."""

import numpy as np
from numpy.typing import NDArray

from euguess.images.heif_boxes import is_heif
from euguess.images.limited_decoder import DecoderPool
from euguess.images.preprocessing import decode_photo


class PhotoDecoder:
    """Decodes in this process, except HEIC: its header does not bound what its decoding costs.

    Threads may share it. It starts at most `processes` processes, with the first HEIC photos.
    """

    def __init__(self, processes: int = 1) -> None:
        self._limited = DecoderPool(processes)

    def decode_photo(self, data: bytes, size: int) -> NDArray[np.uint8]:
        """Decode as preprocessing.decode_photo does. Raises InvalidImage."""
        return self._limited.decode_photo(data, size) if is_heif(data) else decode_photo(data, size)
