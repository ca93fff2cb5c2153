"""The gate to becoming champion: decide, write the decision down, and only then act on it.

Whoever promotes goes through here: the trainer, which can measure two models against each other,
and the dashboard, which knows only the contests that were measured before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from euguess.clock import utc_now
from euguess.errors import ChecksumMismatch, DatasetNotFound, InvalidInput
from euguess.promotion.audit import Act, Entry, Log, person
from euguess.promotion.candidates import Candidate, Throne
from euguess.promotion.verdict import (
    Contest,
    NotComparable,
    Verdict,
    faulty,
    forced,
    judge,
    leaky,
    unrivalled,
)

INCOMPARABLE = (NotComparable, InvalidInput, ChecksumMismatch, DatasetNotFound)

HoldContest = Callable[[Candidate], Contest]  # against the champion given


@dataclass(frozen=True)
class Nomination:
    """That a candidate become champion, whatever the verdict where is_forced."""

    candidate: Candidate
    is_forced: bool = False
    reason: str | None = None
    by: str = field(default_factory=person)

    def __post_init__(self) -> None:
        if self.is_forced and not (self.reason or "").strip():
            raise InvalidInput("A forced promotion needs a reason for the audit log: --reason TEXT")


def promote(
    nomination: Nomination, registry: Throne, log: Log, hold_contest: HoldContest
) -> Verdict:
    """Make the candidate champion if it may be; the verdict is in the audit log either way.

    A decision that another one overtakes is made again, against the champion of then.
    """
    version = nomination.candidate.version
    while True:
        number = len(log.entries()) + 1
        champion = registry.champion()
        if champion is not None and champion.version == version:
            return Verdict(True, f"version {version} is the champion already")
        verdict = decide(nomination, champion, hold_contest)
        if log.append(_entry(number, nomination, champion, verdict)):
            break
    if verdict.is_promoted:
        registry.crown(version)
    return verdict


def decide(
    nomination: Nomination, champion: Candidate | None, hold_contest: HoldContest
) -> Verdict:
    """What the gate says; nothing is written and nobody is crowned."""
    candidate = nomination.candidate
    if candidate.faults:
        verdict = faulty(candidate)
    elif not candidate.is_honest:
        verdict = leaky(candidate)
    elif champion is None:
        verdict = unrivalled(candidate)
    else:
        verdict = _compare(candidate, champion, hold_contest)
    return forced(verdict) if nomination.is_forced else verdict


def _compare(candidate: Candidate, champion: Candidate, hold_contest: HoldContest) -> Verdict:
    try:
        return judge(candidate, champion, hold_contest(champion))
    except INCOMPARABLE as error:
        return Verdict(
            False,
            f"version {candidate.version} cannot be compared with the champion, version "
            f"{champion.version}: {str(error).rstrip('.')}",
        )


def _entry(
    number: int, nomination: Nomination, champion: Candidate | None, verdict: Verdict
) -> Entry:
    return Entry(
        number=number,
        at=utc_now(),
        by=nomination.by,
        act=Act.PROMOTED if verdict.is_promoted else Act.REFUSED,
        version=nomination.candidate.version,
        run_id=nomination.candidate.run_id,
        champion_before=champion.version if champion else None,
        is_forced=nomination.is_forced,
        verdict=verdict.reason,
        reason=nomination.reason,
        contest=verdict.contest,
    )
