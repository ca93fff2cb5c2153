"""The promotion gate: decide, append the decision to the audit log, then set the champion.

Every promotion goes through here: the trainer's, which can measure two models against each other,
and the dashboard's, which only knows contests that were recorded earlier.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from euguess.clock import utc_now
from euguess.errors import ChecksumMismatch, DatasetNotFound, InvalidInput
from euguess.promotion.audit import AuditEntry, AuditLog, Decision, current_user
from euguess.promotion.verdict import (
    Contest,
    NotComparable,
    Verdict,
    faulty_verdict,
    first_verdict,
    forced_verdict,
    judge,
    leaky_verdict,
    missing_countries_verdict,
    uncertain_verdict,
)
from euguess.promotion.versions import ModelRegistry, RegisteredVersion

INCOMPARABLE = (NotComparable, InvalidInput, ChecksumMismatch, DatasetNotFound)

RunContest = Callable[[RegisteredVersion], Contest]  # against the given champion


@dataclass(frozen=True)
class PromotionRequest:
    """A request to make a candidate champion; is_forced overrides the gate."""

    candidate: RegisteredVersion
    is_forced: bool = False
    reason: str | None = None
    by: str = field(default_factory=current_user)

    def __post_init__(self) -> None:
        if self.is_forced and not (self.reason or "").strip():
            raise InvalidInput("A forced promotion needs a reason for the audit log: --reason TEXT")


def promote(
    request: PromotionRequest, registry: ModelRegistry, log: AuditLog, run_contest: RunContest
) -> Verdict:
    """Make the candidate champion if the gate allows it, and log the verdict either way.

    If another decision lands first, decide again against the new champion.
    """
    version = request.candidate.version
    while True:
        number = len(log.entries()) + 1
        champion = registry.champion()
        if champion is not None and champion.version == version:
            return Verdict(True, f"version {version} is already the champion")
        verdict = decide(request, champion, run_contest)
        if log.append(_entry(number, request, champion, verdict)):
            break
    if verdict.is_promoted:
        registry.set_champion(version)
    return verdict


def decide(
    request: PromotionRequest, champion: RegisteredVersion | None, run_contest: RunContest
) -> Verdict:
    """Return the gate's verdict without writing or promoting anything."""
    candidate = request.candidate
    verdict = refusal(candidate, champion) or _measured(candidate, champion, run_contest)
    return forced_verdict(verdict) if request.is_forced else verdict


def refusal(candidate: RegisteredVersion, champion: RegisteredVersion | None) -> Verdict | None:
    """Return the verdict if nothing has to be measured to refuse the candidate, else None."""
    if candidate.faults:
        return faulty_verdict(candidate)
    if candidate.may_leak:
        return uncertain_verdict(candidate)
    if not candidate.is_honest:
        return leaky_verdict(candidate)
    return missing_countries_verdict(candidate, champion) if champion else None


def _measured(
    candidate: RegisteredVersion, champion: RegisteredVersion | None, run_contest: RunContest
) -> Verdict:
    if champion is None:
        return first_verdict(candidate)
    try:
        return judge(candidate, champion, run_contest(champion))
    except INCOMPARABLE as error:
        return Verdict(
            False,
            f"version {candidate.version} cannot be compared with the champion, version "
            f"{champion.version}: {str(error).rstrip('.')}",
        )


def _entry(
    number: int, request: PromotionRequest, champion: RegisteredVersion | None, verdict: Verdict
) -> AuditEntry:
    return AuditEntry(
        number=number,
        at=utc_now(),
        by=request.by,
        act=Decision.PROMOTED if verdict.is_promoted else Decision.REFUSED,
        version=request.candidate.version,
        run_id=request.candidate.run_id,
        champion_before=champion.version if champion else None,
        is_forced=request.is_forced,
        verdict=verdict.reason,
        reason=request.reason,
        contest=verdict.contest,
    )
