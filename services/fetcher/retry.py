"""Decide what to do after a provider error; a pure function."""

from dataclasses import dataclass
from enum import Enum, auto

from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    ProviderError,
    QuotaExceeded,
    TransientError,
    UnusablePanorama,
)

MAX_ATTEMPTS = 4
MAX_BILLED_ATTEMPTS = 2  # when each may cost money
MAX_SECONDS = 60.0  # of one call with all its attempts
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 20.0
QUOTA_PAUSE_SECONDS = 60.0
MAX_PAUSE_SECONDS = 3600.0  # however long the provider asks to wait
BLOCKED_PAUSE_SECONDS = 300.0  # further requests would prolong a block


class RetryAction(Enum):
    """The next step after a failed call."""

    RETRY_CALL = auto()  # after a delay
    SKIP_CANDIDATE = auto()  # try the next candidate of the slot
    RETRY_SLOT = auto()  # return the slot, to be published again later
    PAUSE_PROVIDER = auto()  # stop all calls to this provider
    FAIL_SLOT = auto()  # no retry can succeed


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """An action, and the delay before RETRY_CALL or the length of the provider's pause.

    A pause of None lasts until someone resumes the collection.
    """

    action: RetryAction
    seconds: float | None = 0.0


def decide(
    error: ProviderError, attempt: int, elapsed_seconds: float, jitter: float
) -> RetryDecision:
    """Decide after the attempt-th call (counted from 1); jitter is a random number in 0..1.

    Full jitter: AWS Architecture Blog, "Exponential Backoff and Jitter", 2015.
    """
    if isinstance(error, AccessDenied):
        return RetryDecision(RetryAction.PAUSE_PROVIDER, None)
    if isinstance(error, Blocked):
        return RetryDecision(RetryAction.PAUSE_PROVIDER, BLOCKED_PAUSE_SECONDS)
    if isinstance(error, ImageryGone | UnusablePanorama):
        return RetryDecision(RetryAction.SKIP_CANDIDATE)
    if not isinstance(error, TransientError):
        return RetryDecision(RetryAction.FAIL_SLOT)
    delay = _delay(error, attempt, jitter)
    allowed = MAX_BILLED_ATTEMPTS if error.may_be_billed else MAX_ATTEMPTS
    if attempt < allowed and elapsed_seconds + delay <= MAX_SECONDS:
        return RetryDecision(RetryAction.RETRY_CALL, delay)
    if isinstance(error, QuotaExceeded):
        pause = error.retry_after_seconds or QUOTA_PAUSE_SECONDS
        return RetryDecision(RetryAction.PAUSE_PROVIDER, min(pause, MAX_PAUSE_SECONDS))
    if isinstance(error, BadImage):
        return RetryDecision(RetryAction.SKIP_CANDIDATE)
    return RetryDecision(RetryAction.RETRY_SLOT)


def _delay(error: TransientError, attempt: int, jitter: float) -> float:
    if error.retry_after_seconds is not None:
        return error.retry_after_seconds
    return float(jitter * min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempt - 1)))
