"""Tell outages of Redis, the broker or the store from faults of one dataset."""

from redis.exceptions import RedisError, ResponseError

from euguess.errors import EUGuessError, ServiceUnavailable, StoreUnavailable

DAMAGED_VALUE = ("WRONGTYPE", "user_script")  # of one key; other responses concern all of Redis


def is_outage(error: BaseException) -> bool:
    """Return True if an error stops all collections, so that they have to wait for its end."""
    if isinstance(error, ResponseError):
        return not any(text in str(error) for text in DAMAGED_VALUE)
    return isinstance(error, (RedisError, StoreUnavailable, ServiceUnavailable, OSError))


def fault_of(error: BaseException) -> str:
    """Return what to tell people about an error that affects one collection."""
    if isinstance(error, EUGuessError):
        return str(error)
    return f"an unexpected error ({type(error).__name__}); the sampler's log has the details"
