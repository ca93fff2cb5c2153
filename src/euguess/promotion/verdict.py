"""Whether a model may become champion: the rules, without what measures."""

from dataclasses import dataclass

from pydantic import Field

from euguess.errors import EUGuessError
from euguess.messages.records import (
    DatasetName,
    Interval,
    Record,
    Sha256,
)
from euguess.promotion.candidates import Candidate


class NotComparable(EUGuessError):
    """The two models cannot be compared."""


class Contest(Record):
    """Challenger against champion on the same places, which neither has seen.

    Shares of places whose country is named from all views fused; 95 % intervals by bootstrap over
    the places, the difference by the paired one.
    """

    dataset: DatasetName
    manifest_digest: Sha256
    places: int = Field(ge=1)
    challenger: Interval
    champion: Interval
    difference: Interval = Field(description="Challenger minus champion")


@dataclass(frozen=True)
class Verdict:
    """Whether a candidate becomes champion, and why."""

    is_promoted: bool
    reason: str
    contest: Contest | None = None


def leaky(candidate: Candidate) -> Verdict:
    """Refused without a contest."""
    return Verdict(
        False,
        f"version {candidate.version} was tested under the leaky {candidate.protocol} split, "
        "which says nothing about new places",
    )


def faulty(candidate: Candidate) -> Verdict:
    """Refused without a contest."""
    faults = ", ".join(candidate.faults)
    return Verdict(
        False,
        f"version {candidate.version} was trained with faults of the study ({faults}), which are "
        "there to be compared with, not to be served",
    )


def unrivalled(candidate: Candidate) -> Verdict:
    """Promoted without a contest."""
    return Verdict(True, f"version {candidate.version} is the first champion")


def judge(candidate: Candidate, champion: Candidate, contest: Contest) -> Verdict:
    """Promoted when the interval of the difference lies above zero."""
    lead = contest.difference
    is_better = lead.low > 0
    said = "is better than" if is_better else "is not shown to be better than"
    return Verdict(
        is_better,
        f"version {candidate.version} {said} the champion, version {champion.version}: "
        f"{contest.challenger.value:.1%} against {contest.champion.value:.1%} of "
        f"{contest.places} places new to both, a difference of {points(lead)} points",
        contest,
    )


def forced(verdict: Verdict) -> Verdict:
    """The same findings, promoted all the same."""
    if verdict.is_promoted:
        return verdict
    return Verdict(True, f"by force, although {verdict.reason}", verdict.contest)


def points(difference: Interval) -> str:
    """A difference of shares in percentage points, as +4.5 [+1.0, +8.2]."""
    numbers = (difference.value, difference.low, difference.high)
    value, low, high = (f"{100 * number:+.1f}" for number in numbers)
    return f"{value} [{low}, {high}]"
