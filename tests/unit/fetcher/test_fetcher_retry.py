"""What follows from a trouble: a table."""

import pytest

from services.fetcher import retry
from services.fetcher.providers import (
    AccessDenied,
    BadImage,
    Blocked,
    ImageryGone,
    NoAnswer,
    ProviderTrouble,
    QuotaSpent,
    Refused,
    Transient,
    UnusablePanorama,
)
from services.fetcher.retry import RetryDecision, Step, decide


@pytest.mark.parametrize(
    ("trouble", "attempt", "elapsed_seconds", "expected"),
    [
        (Transient("HTTP 500"), 1, 0, RetryDecision(Step.REPEAT, 0.5)),
        (Transient("HTTP 500"), 3, 0, RetryDecision(Step.REPEAT, 2.0)),
        (Transient("HTTP 500"), 4, 0, RetryDecision(Step.RETRY_SLOT)),
        (Transient("HTTP 500"), 2, 60, RetryDecision(Step.RETRY_SLOT)),
        (Transient("HTTP 503", 7), 1, 0, RetryDecision(Step.REPEAT, 7)),
        (Transient("HTTP 503", 600), 1, 0, RetryDecision(Step.RETRY_SLOT)),
        (NoAnswer("timeout"), 1, 0, RetryDecision(Step.REPEAT, 0.5)),
        (NoAnswer("timeout"), 2, 0, RetryDecision(Step.RETRY_SLOT)),
        (QuotaSpent("429"), 1, 0, RetryDecision(Step.REPEAT, 0.5)),
        (QuotaSpent("429"), 4, 0, RetryDecision(Step.PAUSE_PROVIDER, retry.QUOTA_PAUSE_SECONDS)),
        (QuotaSpent("429", 900), 1, 0, RetryDecision(Step.PAUSE_PROVIDER, 900)),
        (AccessDenied(), 1, 0, RetryDecision(Step.PAUSE_PROVIDER, None)),
        (Blocked(), 1, 0, RetryDecision(Step.PAUSE_PROVIDER, retry.BLOCKED_PAUSE_SECONDS)),
        (ImageryGone(), 1, 0, RetryDecision(Step.SKIP_CANDIDATE)),
        (UnusablePanorama(), 1, 0, RetryDecision(Step.SKIP_CANDIDATE)),
        (BadImage("grey"), 1, 0, RetryDecision(Step.REPEAT, 0.5)),
        (BadImage("grey"), 2, 0, RetryDecision(Step.SKIP_CANDIDATE)),
        (Refused("HTTP 400"), 1, 0, RetryDecision(Step.FAIL_SLOT)),
        (ProviderTrouble(), 1, 0, RetryDecision(Step.FAIL_SLOT)),
    ],
)
def test_a_trouble_leads_to_its_step(
    trouble: ProviderTrouble, attempt: int, elapsed_seconds: float, expected: RetryDecision
) -> None:
    assert decide(trouble, attempt, elapsed_seconds, jitter=1.0) == expected


@pytest.mark.parametrize("jitter", [0.0, 0.25, 1.0])
def test_waits_are_spread_over_their_whole_length(jitter: float) -> None:
    assert decide(Transient("x"), 2, 0, jitter).seconds == pytest.approx(jitter * 1.0)
