"""Promotions by the trainer, which measures candidate and champion on the same places."""

from dataclasses import dataclass

from euguess.promotion import gate
from euguess.promotion.audit import AuditLog
from euguess.promotion.candidates import Candidate
from euguess.promotion.verdict import Contest, Verdict
from services.trainer.cache.decoding import OnDamage
from services.trainer.models.contest import hold_contest
from services.trainer.models.stored_model import load_model
from services.trainer.session import Session


@dataclass(frozen=True)
class Wish:
    """That a candidate become champion. dataset: whose places it meets the champion on."""

    candidate: Candidate
    dataset: str
    is_forced: bool = False
    reason: str | None = None
    on_damage: OnDamage = OnDamage.RAISE


def promote(wish: Wish, session: Session) -> Verdict:
    """Make the candidate champion if it may be; the verdict is in the audit log either way."""
    nomination = gate.Nomination(wish.candidate, wish.is_forced, wish.reason)
    log = AuditLog(session.store)
    return gate.promote(
        nomination,
        session.registry,
        log,
        lambda champion: _contest(wish, champion, session),
    )


def _contest(wish: Wish, champion: Candidate, session: Session) -> Contest:
    challenger = load_model(wish.candidate.run_id, session)
    present = load_model(champion.run_id, session)
    return hold_contest(challenger, present, wish.dataset, session, wish.on_damage)
