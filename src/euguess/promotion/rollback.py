"""Going back to the champion before."""

from euguess.clock import utc_now
from euguess.errors import InvalidInput
from euguess.promotion.audit import Act, Entry, Log, champion_before, person
from euguess.promotion.candidates import Candidate, Throne


def roll_back(registry: Throne, log: Log, reason: str, by: str | None = None) -> Entry:
    """Crown the version that the champion replaced. Raises InvalidInput when none is known.

    by: whoever goes back, by default the person who runs this process.
    """
    champion = registry.champion()
    if champion is None:
        raise InvalidInput("There is no champion to go back from.")
    if not reason.strip():
        raise InvalidInput("Going back needs a reason for the audit log: --reason TEXT")
    while True:
        entries = log.entries()
        before = champion_before(entries, champion.version)
        if before is None:
            raise InvalidInput(
                f"The audit log knows no champion before version {champion.version}; promote "
                "another run by `euguess models promote RUN`."
            )
        target = registry.version(before)
        entry = _entry(len(entries) + 1, champion, target, reason, by or person())
        if log.append(entry):
            registry.crown(target.version)
            return entry


def _entry(number: int, champion: Candidate, target: Candidate, reason: str, by: str) -> Entry:
    return Entry(
        number=number,
        at=utc_now(),
        by=by,
        act=Act.ROLLED_BACK,
        version=target.version,
        run_id=target.run_id,
        champion_before=champion.version,
        verdict=f"version {target.version} was champion before version {champion.version}",
        reason=reason,
    )
