"""What to do after a trouble: a pure decision."""

from dataclasses import dataclass
from enum import Enum, auto

from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    ProviderTrouble,
    QuotaSpent,
    Transient,
    UnusablePanorama,
)

MAX_ATTEMPTS = 4
MAX_BILLED_ATTEMPTS = 2  # when each may cost money
MAX_SECONDS = 60.0  # of one call with all its attempts
FIRST_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 20.0
QUOTA_PAUSE_SECONDS = 60.0
BLOCKED_PAUSE_SECONDS = 300.0  # asking on during a block prolongs it


class Step(Enum):
    """What comes next."""

    REPEAT = auto()  # the same call, after a delay
    SKIP_CANDIDATE = auto()  # this place is no good; the next candidate
    RETRY_SLOT = auto()  # give the slot back, to be sent again later
    PAUSE_PROVIDER = auto()  # stop all calls to this provider
    FAIL_SLOT = auto()  # nothing will mend it


@dataclass(frozen=True, slots=True)
class RetryDecision:
    """A step, and how long to wait: before REPEAT, or while the provider is paused.

    None as the time of a pause means: until somebody mends it.
    """

    step: Step
    seconds: float | None = 0.0


def decide(
    trouble: ProviderTrouble, attempt: int, elapsed_seconds: float, jitter: float
) -> RetryDecision:
    """Decide after the attempt-th call (from 1); jitter is a random number in 0..1.

    Full jitter: AWS Architecture Blog, "Exponential Backoff and Jitter", 2015.
    """
    if isinstance(trouble, AccessDenied):
        return RetryDecision(Step.PAUSE_PROVIDER, None)
    if isinstance(trouble, Blocked):
        return RetryDecision(Step.PAUSE_PROVIDER, BLOCKED_PAUSE_SECONDS)
    if isinstance(trouble, ImageryGone | UnusablePanorama):
        return RetryDecision(Step.SKIP_CANDIDATE)
    if not isinstance(trouble, Transient):
        return RetryDecision(Step.FAIL_SLOT)
    delay = _delay(trouble, attempt, jitter)
    allowed = MAX_BILLED_ATTEMPTS if trouble.may_be_billed else MAX_ATTEMPTS
    if attempt < allowed and elapsed_seconds + delay <= MAX_SECONDS:
        return RetryDecision(Step.REPEAT, delay)
    if isinstance(trouble, QuotaSpent):
        return RetryDecision(
            Step.PAUSE_PROVIDER, trouble.retry_after_seconds or QUOTA_PAUSE_SECONDS
        )
    if isinstance(trouble, BadImage):
        return RetryDecision(Step.SKIP_CANDIDATE)
    return RetryDecision(Step.RETRY_SLOT)


def _delay(trouble: Transient, attempt: int, jitter: float) -> float:
    if trouble.retry_after_seconds is not None:
        return trouble.retry_after_seconds
    return float(jitter * min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2 ** (attempt - 1)))
