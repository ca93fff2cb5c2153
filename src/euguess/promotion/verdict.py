"""The rules of promotion: verdicts on candidates, from their tags and contests."""

from dataclasses import dataclass

from pydantic import Field

from euguess.errors import EUGuessError
from euguess.messages.records import (
    DatasetName,
    Interval,
    Record,
    Sha256,
)
from euguess.promotion.versions import RegisteredVersion


class NotComparable(EUGuessError):
    """The two models cannot be compared."""


class Contest(Record):
    """Challenger against champion on the same locations, which neither has seen.

    Top-1 accuracies over locations with all views fused, with 95 % bootstrap intervals; the
    difference is paired.
    """

    dataset: DatasetName
    manifest_digest: Sha256
    places: int = Field(ge=1)
    challenger: Interval
    champion: Interval
    difference: Interval = Field(description="Challenger minus champion")


@dataclass(frozen=True)
class Verdict:
    """The decision whether a candidate becomes champion, with its reason."""

    is_promoted: bool
    reason: str
    contest: Contest | None = None


def leaky_verdict(candidate: RegisteredVersion) -> Verdict:
    """Refuse a version that was tested under a leaky split."""
    return Verdict(
        False,
        f"version {candidate.version} was tested under the leaky {candidate.protocol} split, "
        "which says nothing about new places",
    )


def uncertain_verdict(candidate: RegisteredVersion) -> Verdict:
    """Withhold the promotion of a version whose test may have had places of its training set."""
    return Verdict(
        False,
        f"version {candidate.version} is of photos whose places are unknown, so its test may leak "
        "and nothing shows how it does on new places; import the photos with a location_id for "
        "each place",
    )


def faulty_verdict(candidate: RegisteredVersion) -> Verdict:
    """Refuse a version that was trained with faults of the study."""
    faults = ", ".join(candidate.faults)
    return Verdict(
        False,
        f"version {candidate.version} was trained with faults of the study ({faults}), which are "
        "for comparison, not for serving",
    )


def first_verdict(candidate: RegisteredVersion) -> Verdict:
    """Promote the first champion, which has no rival."""
    return Verdict(True, f"version {candidate.version} is the first champion")


def judge(candidate: RegisteredVersion, champion: RegisteredVersion, contest: Contest) -> Verdict:
    """Promote when the 95 % interval of the difference lies above zero."""
    lead = contest.difference
    is_better = lead.low > 0
    result = "is better than" if is_better else "is not shown to be better than"
    return Verdict(
        is_better,
        f"version {candidate.version} {result} the champion, version {champion.version}: "
        f"{contest.challenger.value:.1%} against {contest.champion.value:.1%} of "
        f"{contest.places} places new to both, a difference of {points(lead)} points",
        contest,
    )


def forced_verdict(verdict: Verdict) -> Verdict:
    """Promote regardless, and keep the reason against it."""
    if verdict.is_promoted:
        return verdict
    return Verdict(True, f"forced, although {verdict.reason}", verdict.contest)


def points(difference: Interval) -> str:
    """Format a difference of shares in percentage points, such as +4.5 [+1.0, +8.2]."""
    numbers = (difference.value, difference.low, difference.high)
    value, low, high = (f"{100 * number:+.1f}" for number in numbers)
    return f"{value} [{low}, {high}]"
