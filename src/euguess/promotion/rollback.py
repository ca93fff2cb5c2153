"""Roll back to the previous champion."""

from euguess.clock import utc_now
from euguess.errors import InvalidInput
from euguess.promotion.audit import AuditEntry, AuditLog, Decision, champion_before, current_user
from euguess.promotion.versions import ModelRegistry, RegisteredVersion


def roll_back(
    registry: ModelRegistry, log: AuditLog, reason: str, by: str | None = None
) -> AuditEntry:
    """Make the version that the champion replaced champion again.

    by: who rolls back, by default the user of this process. Raises InvalidInput if the log has no
    previous champion.
    """
    champion = registry.champion()
    if champion is None:
        raise InvalidInput("There is no champion to roll back.")
    if not reason.strip():
        raise InvalidInput("A rollback needs a reason for the audit log: --reason TEXT")
    while True:
        entries = log.entries()
        before = champion_before(entries, champion.version)
        if before is None:
            raise InvalidInput(
                f"The audit log has no champion before version {champion.version}. Promote another "
                "run: euguess models promote RUN"
            )
        target = registry.version(before)
        entry = _entry(len(entries) + 1, champion, target, reason, by or current_user())
        if log.append(entry):
            registry.set_champion(target.version)
            return entry


def _entry(
    number: int, champion: RegisteredVersion, target: RegisteredVersion, reason: str, by: str
) -> AuditEntry:
    return AuditEntry(
        number=number,
        at=utc_now(),
        by=by,
        act=Decision.ROLLED_BACK,
        version=target.version,
        run_id=target.run_id,
        champion_before=champion.version,
        verdict=f"version {target.version} was champion before version {champion.version}",
        reason=reason,
    )
