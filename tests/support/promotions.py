"""Contests between models, and entries of the audit log of promotions."""

from euguess.clock import utc_now
from euguess.messages.records import Interval
from euguess.promotion.audit import AuditEntry, Decision
from euguess.promotion.verdict import Contest

HALF = Interval(value=0.5, low=0.4, high=0.6)


def contest(low: float, high: float) -> Contest:
    """Return a contest whose difference has the interval low to high."""
    return Contest(
        dataset="demo",
        manifest_digest="0" * 64,
        places=64,
        challenger=HALF,
        champion=HALF,
        difference=Interval(value=(low + high) / 2, low=low, high=high),
        countries=("FR", "PL"),
    )


def audit_entry(
    number: int,
    act: Decision,
    version: str,
    before: str | None = None,
    met: Contest | None = None,
    verdict: str = "because",
) -> AuditEntry:
    """Return an entry; before is the version of the champion at that time."""
    return AuditEntry(
        number=number,
        at=utc_now(),
        by="someone@somewhere",
        act=act,
        version=version,
        run_id=f"run-{version}",
        champion_before=before,
        verdict=verdict,
        contest=met,
    )
