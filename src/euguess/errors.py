"""The errors that EUGuess raises. The docstring of a class is its default message."""


class EUGuessError(Exception):
    """Something went wrong in EUGuess."""

    exit_code = 1  # of a program that this error ends

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class InvalidInput(EUGuessError):
    """The input is not valid."""

    exit_code = 2


class Interrupted(EUGuessError):
    """Stopped."""

    exit_code = 130  # as shells report Ctrl-C


class UnknownCountry(InvalidInput):
    """Unknown country code. List the codes: euguess countries."""


class InvalidCoordinate(InvalidInput):
    """Latitude must be in -90..90 and longitude in -180..180."""


class InvalidRecipe(InvalidInput):
    """The recipe is not valid."""


class InvalidManifest(InvalidInput):
    """The manifest of labelled photos is not valid."""


class StoreError(EUGuessError):
    """The object store failed."""


class StoreUnavailable(StoreError):
    """The object store does not respond. Run `euguess up` or check EUGUESS_STORE_URL."""


class ObjectNotFound(StoreError):
    """There is no object with that key."""


class DamagedRecord(StoreError):
    """A record in the store is damaged."""

    def __init__(self, key: str) -> None:
        dataset = key.split("/")[1]
        super().__init__(f"{key} is damaged. Check the dataset: `euguess dataset audit {dataset}`.")
        self.key = key


class ChecksumMismatch(StoreError):
    """The object is damaged: its bytes do not match the recorded SHA-256."""


class DatasetNotFound(EUGuessError):
    """There is no dataset with that name. List them: euguess dataset status."""


class DatasetConflict(EUGuessError):
    """A dataset with that name but another specification exists. Choose another name."""


class QueueFull(EUGuessError):
    """The queue is full. Try again later."""


class StaleCache(EUGuessError):
    """The tensor cache was built from other data or with other settings."""


class DiskFull(EUGuessError):
    """The disk is full."""


class ServiceUnavailable(EUGuessError):
    """A required service does not respond. Find out what is missing: euguess doctor."""


class PortInUse(EUGuessError):
    """Another program uses a port that the stack needs."""


class ProgramMissing(EUGuessError):
    """A required program is neither on PATH nor installed as a wheel."""
