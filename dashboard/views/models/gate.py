"""Promotions by the dashboard, through the same gate and into the same audit log as the trainer's.

It cannot measure models: it judges by the contest that the trainer recorded between the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.store import Store
from euguess.clients import RegistryClient
from euguess.promotion.audit import AuditEntry, append, current_user, read_log, recorded_contest
from euguess.promotion.gate import PromotionRequest, RunContest, decide, promote
from euguess.promotion.rollback import roll_back
from euguess.promotion.verdict import Contest, NotComparable, Verdict
from euguess.promotion.versions import RegisteredVersion


@dataclass(frozen=True)
class Versions:
    """The registry over HTTP, as the gate wants it."""

    client: RegistryClient

    def champion(self) -> RegisteredVersion | None:
        return self.client.champion_version()

    def version(self, number: str) -> RegisteredVersion:
        return self.client.version(number)

    def set_champion(self, version: str) -> None:
        self.client.set_champion(version)


@dataclass(frozen=True)
class StoredLog:
    """The audit log in the dashboard's store."""

    store: Store

    def entries(self) -> list[AuditEntry]:
        return self.store.run(read_log)

    def append(self, entry: AuditEntry) -> bool:
        return self.store.run(lambda store: append(store, entry))


def preview_verdict(
    candidate: RegisteredVersion, champion: RegisteredVersion | None, entries: Sequence[AuditEntry]
) -> Verdict:
    """What the gate would say now; changes nothing."""
    return decide(PromotionRequest(candidate), champion, _recorded(candidate, entries))


def promote_version(
    candidate: RegisteredVersion,
    registry: RegistryClient,
    store: Store,
    forced_because: str | None = None,
) -> Verdict:
    """Promote, whatever the verdict where a reason is given. Raises InvalidInput."""
    log = StoredLog(store)
    request = PromotionRequest(candidate, forced_because is not None, forced_because, by=actor())
    met = _recorded(candidate, log.entries())
    return promote(request, Versions(registry), log, met)


def roll_back_champion(registry: RegistryClient, store: Store, reason: str) -> AuditEntry:
    """Make the champion before champion again. Raises InvalidInput."""
    return roll_back(Versions(registry), StoredLog(store), reason, by=actor())


def actor() -> str:
    """Who acts, for the audit log; the dashboard knows no logins."""
    return f"{current_user()} (dashboard)"


def _recorded(candidate: RegisteredVersion, entries: Sequence[AuditEntry]) -> RunContest:
    def contest(champion: RegisteredVersion) -> Contest:
        found = recorded_contest(entries, candidate.version, champion.version)
        if found is None:
            raise NotComparable("the two have not been measured on the same places yet")
        return found

    return contest
