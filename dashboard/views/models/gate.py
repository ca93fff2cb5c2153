"""Promotion from the dashboard, through the same gate and audit log as the trainer's.

The dashboard cannot evaluate models: it uses contests that the trainer has recorded.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from dashboard.store import Store
from euguess.clients import RegistryClient
from euguess.promotion.audit import AuditEntry, append, current_user, read_log, recorded_contest
from euguess.promotion.gate import PromotionRequest, RunContest, decide, promote
from euguess.promotion.rollback import roll_back
from euguess.promotion.verdict import Contest, NotComparable, Verdict, unequal_countries
from euguess.promotion.versions import RegisteredVersion


@dataclass(frozen=True)
class HttpRegistry:
    """The model registry over HTTP, as a ModelRegistry."""

    client: RegistryClient

    def champion(self) -> RegisteredVersion | None:
        return self.client.champion_version()

    def version(self, number: str) -> RegisteredVersion:
        return self.client.version(number)

    def set_champion(self, version: str) -> None:
        self.client.set_champion(version)


@dataclass(frozen=True)
class DashboardAuditLog:
    """The audit log in the dashboard's store, as an AuditLog."""

    store: Store

    def entries(self) -> list[AuditEntry]:
        return self.store.run(read_log)

    def append(self, entry: AuditEntry) -> bool:
        return self.store.run(lambda store: append(store, entry))


def preview_verdict(
    candidate: RegisteredVersion, champion: RegisteredVersion | None, entries: Sequence[AuditEntry]
) -> Verdict:
    """Return the gate's verdict on a candidate, without changing anything."""
    return decide(PromotionRequest(candidate), champion, _recorded(candidate, entries))


def promote_version(
    candidate: RegisteredVersion,
    registry: RegistryClient,
    store: Store,
    forced_because: str | None = None,
) -> Verdict:
    """Promote a candidate through the gate, forced if a reason is given. Raises InvalidInput."""
    log = DashboardAuditLog(store)
    request = PromotionRequest(candidate, forced_because is not None, forced_because, by=actor())
    run_contest = _recorded(candidate, log.entries())
    return promote(request, HttpRegistry(registry), log, run_contest)


def roll_back_champion(registry: RegistryClient, store: Store, reason: str) -> AuditEntry:
    """Roll back to the previous champion. Raises InvalidInput."""
    return roll_back(HttpRegistry(registry), DashboardAuditLog(store), reason, by=actor())


def actor() -> str:
    """Return the actor for the audit log; the dashboard has no logins."""
    return f"{current_user()} (dashboard)"


def _recorded(candidate: RegisteredVersion, entries: Sequence[AuditEntry]) -> RunContest:
    def contest(champion: RegisteredVersion) -> Contest:
        found = recorded_contest(entries, candidate.version, champion.version)
        if found is None:
            split = unequal_countries(candidate, champion)
            note = f"; {split}" if split else ""
            raise NotComparable(f"the two have not been measured on the same places yet{note}")
        return found

    return contest
