"""Every error that EUGuess raises on purpose. A class docstring is its default message."""


class EUGuessError(Exception):
    """Something went wrong in EUGuess."""

    exit_code = 1  # of a program that ends with this error

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())


class InvalidInput(EUGuessError):
    """The input is not valid."""

    exit_code = 2


class Interrupted(EUGuessError):
    """Stopped."""

    exit_code = 130  # as shells report Ctrl-C


class UnknownCountry(InvalidInput):
    """The country code is not one that EUGuess knows; see `euguess countries`."""


class InvalidCoordinate(InvalidInput):
    """Latitude must be within -90..90 and longitude within -180..180, and both finite."""


class InvalidRecipe(InvalidInput):
    """The recipe is not valid."""


class InvalidManifest(InvalidInput):
    """The manifest of labelled photos is not valid."""


class StoreError(EUGuessError):
    """The object store failed."""


class StoreUnavailable(StoreError):
    """The object store cannot be reached; start it with `euguess up` or check EUGUESS_STORE_URL."""


class ObjectNotFound(StoreError):
    """There is no object under that key."""


class ChecksumMismatch(StoreError):
    """The stored bytes do not have the recorded SHA-256; the object is damaged."""


class DatasetNotFound(EUGuessError):
    """There is no dataset of that name; `euguess dataset status` lists them."""


class DatasetConflict(EUGuessError):
    """A dataset of that name exists with another specification; choose another name."""


class StaleCache(EUGuessError):
    """The tensor cache was built from other data or with another specification."""


class DiskFull(EUGuessError):
    """There is no room left on the disk."""


class ServiceUnavailable(EUGuessError):
    """A service that this command needs does not answer; `euguess doctor` says what is missing."""


class PortInUse(EUGuessError):
    """A port that the stack needs is taken by another program."""


class ProgramMissing(EUGuessError):
    """A program that the stack needs is neither on PATH nor installed as a wheel."""
