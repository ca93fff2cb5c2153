"""Images that were paid for and are not stored yet."""

MAX_BYTES = 64 * 2**20  # several hundred photos


class PaidImages:
    """Images of one process by their keys in the store; the oldest are dropped beyond a limit.

    If the store fails for longer than an attempt at a slot, the next attempt in this process uses
    its images instead of buying them again.
    """

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._images: dict[str, bytes] = {}
        self._bytes = 0

    def __contains__(self, key: str) -> bool:
        return key in self._images

    def __getitem__(self, key: str) -> bytes:
        return self._images[key]

    def keep(self, key: str, data: bytes) -> None:
        """Keep an image until it is stored."""
        self.drop(key)
        self._images[key] = data
        self._bytes += len(data)
        while self._bytes > self._max_bytes:
            self.drop(next(iter(self._images)))

    def drop(self, key: str) -> None:
        """Forget an image, if it is kept."""
        self._bytes -= len(self._images.pop(key, b""))
