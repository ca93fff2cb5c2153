"""Tell outages of Redis, the broker or the store from faults of one dataset."""

from redis.exceptions import RedisError, ResponseError

from euguess.errors import ServiceUnavailable, StoreUnavailable

DAMAGED_VALUE = ("WRONGTYPE", "user_script")  # of one key; other responses concern all of Redis


def is_outage(error: BaseException) -> bool:
    """Return True if an error affects all collections, so that waiting is the only remedy."""
    if isinstance(error, ResponseError):
        return not any(text in str(error) for text in DAMAGED_VALUE)
    return isinstance(error, (RedisError, StoreUnavailable, ServiceUnavailable, OSError))
