"""The gate to becoming champion: decide, write the decision down, and only then act on it."""

from dataclasses import dataclass

from euguess.clock import utc_now
from euguess.errors import ChecksumMismatch, DatasetNotFound, InvalidInput
from services.trainer.audit import Act, AuditLog, Entry, person
from services.trainer.cache_decoding import OnDamage
from services.trainer.contest import NotComparable, hold_contest
from services.trainer.registry import Candidate
from services.trainer.stored_model import load_model
from services.trainer.verdict import Contest, Verdict, faulty, forced, judge, leaky, unrivalled
from services.trainer.workshop import Workshop

INCOMPARABLE = (NotComparable, InvalidInput, ChecksumMismatch, DatasetNotFound)


@dataclass(frozen=True)
class Wish:
    """That a candidate become champion. dataset: whose places it meets the champion on."""

    candidate: Candidate
    dataset: str
    is_forced: bool = False
    reason: str | None = None
    on_damage: OnDamage = OnDamage.RAISE

    def __post_init__(self) -> None:
        if self.is_forced and not self.reason:
            raise InvalidInput("A forced promotion needs a reason for the audit log: --reason TEXT")


def promote(wish: Wish, workshop: Workshop) -> Verdict:
    """Make the candidate champion if it may be; the verdict is in the audit log either way."""
    log = AuditLog(workshop.store)
    while True:
        number = len(log.entries()) + 1
        champion = workshop.registry.champion()
        if champion is not None and champion.version == wish.candidate.version:
            return Verdict(True, f"version {champion.version} is the champion already")
        verdict = _decide(wish, champion, workshop)
        if log.append(_entry(number, wish, champion, verdict)):
            break
        workshop.display.note("Another promotion was decided meanwhile; deciding again")
    if verdict.is_promoted:
        workshop.registry.crown(wish.candidate.version)
    return verdict


def _decide(wish: Wish, champion: Candidate | None, workshop: Workshop) -> Verdict:
    if wish.candidate.faults:
        verdict = faulty(wish.candidate)
    elif not wish.candidate.is_honest:
        verdict = leaky(wish.candidate)
    elif champion is None:
        verdict = unrivalled(wish.candidate)
    else:
        verdict = _compare(wish, champion, workshop)
    return forced(verdict) if wish.is_forced else verdict


def _compare(wish: Wish, champion: Candidate, workshop: Workshop) -> Verdict:
    try:
        return judge(wish.candidate, champion, _contest(wish, champion, workshop))
    except INCOMPARABLE as error:
        return Verdict(
            False,
            f"version {wish.candidate.version} cannot be compared with the champion, version "
            f"{champion.version}: {str(error).rstrip('.')}",
        )


def _contest(wish: Wish, champion: Candidate, workshop: Workshop) -> Contest:
    challenger = load_model(wish.candidate.run_id, workshop)
    present = load_model(champion.run_id, workshop)
    return hold_contest(challenger, present, wish.dataset, workshop, wish.on_damage)


def _entry(number: int, wish: Wish, champion: Candidate | None, verdict: Verdict) -> Entry:
    return Entry(
        number=number,
        at=utc_now(),
        by=person(),
        act=Act.PROMOTED if verdict.is_promoted else Act.REFUSED,
        version=wish.candidate.version,
        run_id=wish.candidate.run_id,
        champion_before=champion.version if champion else None,
        is_forced=wish.is_forced,
        verdict=verdict.reason,
        reason=wish.reason,
        contest=verdict.contest,
    )
