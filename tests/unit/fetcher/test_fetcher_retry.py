"""Retry decisions: a table."""

import pytest

from services.fetcher import retry
from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    NoAnswer,
    ProviderError,
    QuotaExceeded,
    Refused,
    TransientError,
    UnusablePanorama,
)
from services.fetcher.retry import RetryAction, RetryDecision, decide


@pytest.mark.parametrize(
    ("error", "attempt", "elapsed_seconds", "expected"),
    [
        (TransientError("HTTP 500"), 1, 0, RetryDecision(RetryAction.RETRY_CALL, 0.5)),
        (TransientError("HTTP 500"), 3, 0, RetryDecision(RetryAction.RETRY_CALL, 2.0)),
        (TransientError("HTTP 500"), 4, 0, RetryDecision(RetryAction.RETRY_SLOT)),
        (TransientError("HTTP 500"), 2, 60, RetryDecision(RetryAction.RETRY_SLOT)),
        (TransientError("HTTP 503", 7), 1, 0, RetryDecision(RetryAction.RETRY_CALL, 7)),
        (TransientError("HTTP 503", 600), 1, 0, RetryDecision(RetryAction.RETRY_SLOT)),
        (NoAnswer("timeout"), 1, 0, RetryDecision(RetryAction.RETRY_CALL, 0.5)),
        (NoAnswer("timeout"), 2, 0, RetryDecision(RetryAction.RETRY_SLOT)),
        (QuotaExceeded("429"), 1, 0, RetryDecision(RetryAction.RETRY_CALL, 0.5)),
        (
            QuotaExceeded("429"),
            4,
            0,
            RetryDecision(RetryAction.PAUSE_PROVIDER, retry.QUOTA_PAUSE_SECONDS),
        ),
        (QuotaExceeded("429", 900), 1, 0, RetryDecision(RetryAction.PAUSE_PROVIDER, 900)),
        (AccessDenied(), 1, 0, RetryDecision(RetryAction.PAUSE_PROVIDER, None)),
        (Blocked(), 1, 0, RetryDecision(RetryAction.PAUSE_PROVIDER, retry.BLOCKED_PAUSE_SECONDS)),
        (ImageryGone(), 1, 0, RetryDecision(RetryAction.SKIP_CANDIDATE)),
        (UnusablePanorama(), 1, 0, RetryDecision(RetryAction.SKIP_CANDIDATE)),
        (BadImage("grey"), 1, 0, RetryDecision(RetryAction.RETRY_CALL, 0.5)),
        (BadImage("grey"), 2, 0, RetryDecision(RetryAction.SKIP_CANDIDATE)),
        (Refused("HTTP 400"), 1, 0, RetryDecision(RetryAction.FAIL_SLOT)),
        (ProviderError(), 1, 0, RetryDecision(RetryAction.FAIL_SLOT)),
    ],
)
def test_each_error_leads_to_its_action(
    error: ProviderError, attempt: int, elapsed_seconds: float, expected: RetryDecision
) -> None:
    assert decide(error, attempt, elapsed_seconds, jitter=1.0) == expected


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
def test_delays_have_full_jitter(jitter: float) -> None:
    assert decide(TransientError("x"), 2, 0, jitter).seconds == pytest.approx(jitter * 1.0)
