"""Stored cards of model versions, with the promotion decisions made since."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from euguess.errors import InvalidInput
from euguess.promotion.audit import AuditEntry, AuditLog
from euguess.promotion.verdict import points
from euguess.promotion.versions import DATASET_CARD, MODEL_CARD
from services.trainer.reports.markdown import bullets, escaped
from services.trainer.tracking.runs import Tracking
from services.trainer.tracking.versions import Registry


@dataclass(frozen=True)
class StoredCard:
    """A card's file name and Markdown."""

    version: str
    run_id: str
    name: str
    text: str


def read_card(
    version: str | None,
    tracking: Tracking,
    registry: Registry,
    log: AuditLog,
    *,
    is_data: bool = False,
) -> StoredCard:
    """Read a card of a version or, without one, of the champion. Raises InvalidInput."""
    candidate = registry.champion() if version is None else registry.version(version)
    if candidate is None:
        raise InvalidInput("No champion yet. Name a version: `euguess models card 1`.")
    name = DATASET_CARD if is_data else MODEL_CARD
    text = _fetched(candidate.run_id, name, tracking)
    if not is_data:
        text += f"\n{promotion_section(candidate.version, log.entries())}\n"
    return StoredCard(candidate.version, candidate.run_id, name, text)


def _fetched(run_id: str, name: str, tracking: Tracking) -> str:
    with tempfile.TemporaryDirectory() as folder:
        try:
            return tracking.fetch(run_id, name, Path(folder)).read_text()
        except InvalidInput:
            raise InvalidInput(
                f"Run {run_id} has no {name}. Train its recipe again to write one."
            ) from None


def promotion_section(version: str, entries: Sequence[AuditEntry]) -> str:
    """List the promotion decisions about a version, oldest first.

    The card may be published, so it does not say who decided.
    """
    found = [_decision(entry) for entry in entries if entry.version == version]
    return f"## Promotion of version {escaped(version)}\n\n" + (
        bullets(found) if found else "Never promoted or refused."
    )


def _decision(entry: AuditEntry) -> str:
    forced = ", by force" if entry.is_forced else ""
    reason = f" Reason given: {escaped(entry.reason)}." if entry.reason else ""
    contest = entry.contest
    met = (
        f" Compared with the champion on {contest.places} places of {escaped(contest.dataset)}: "
        f"difference {points(contest.difference)} points."
        if contest
        else ""
    )
    return (
        f"{entry.at:%Y-%m-%d %H:%M} UTC, {entry.act.value}{forced}: {escaped(entry.verdict)}."
        f"{met}{reason}"
    )
