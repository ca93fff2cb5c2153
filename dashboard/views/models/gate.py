"""Promotions by the dashboard, through the same gate and into the same audit log as the trainer's.

It cannot measure models: it judges by the contest that the trainer recorded between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.store import Store
from euguess.clients import RegistryClient
from euguess.promotion.audit import Entry, append, person, read_log, recorded_contest
from euguess.promotion.candidates import Candidate
from euguess.promotion.gate import HoldContest, Nomination, decide, promote
from euguess.promotion.rollback import roll_back
from euguess.promotion.verdict import Contest, NotComparable, Verdict


@dataclass(frozen=True)
class Versions:
    """The registry over HTTP, as the gate wants it."""

    client: RegistryClient

    def champion(self) -> Candidate | None:
        return self.client.champion_version()

    def version(self, number: str) -> Candidate:
        return self.client.version(number)

    def crown(self, version: str) -> None:
        self.client.crown(version)


@dataclass(frozen=True)
class StoredLog:
    """The audit log in the dashboard's store."""

    store: Store

    def entries(self) -> list[Entry]:
        return self.store.run(read_log)

    def append(self, entry: Entry) -> bool:
        return self.store.run(lambda store: append(store, entry))


def foreseen(candidate: Candidate, champion: Candidate | None, entries: Sequence[Entry]) -> Verdict:
    """What the gate would say now; changes nothing."""
    return decide(Nomination(candidate), champion, _recorded(candidate, entries))


def promote_version(
    candidate: Candidate, registry: RegistryClient, store: Store, forced_because: str | None = None
) -> Verdict:
    """Promote, whatever the verdict where a reason is given. Raises InvalidInput."""
    log = StoredLog(store)
    nomination = Nomination(candidate, forced_because is not None, forced_because, by=actor())
    met = _recorded(candidate, log.entries())
    return promote(nomination, Versions(registry), log, met)


def go_back(registry: RegistryClient, store: Store, reason: str) -> Entry:
    """Make the champion before champion again. Raises InvalidInput."""
    return roll_back(Versions(registry), StoredLog(store), reason, by=actor())


def actor() -> str:
    """Who acts, for the audit log; the dashboard knows no logins."""
    return f"{person()} (dashboard)"


def _recorded(candidate: Candidate, entries: Sequence[Entry]) -> HoldContest:
    def contest(champion: Candidate) -> Contest:
        found = recorded_contest(entries, candidate.version, champion.version)
        if found is None:
            raise NotComparable("the two have not been measured on the same places yet")
        return found

    return contest
