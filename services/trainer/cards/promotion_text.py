"""What the audit log knows of a version, as a section of its card."""

from collections.abc import Sequence

from euguess.promotion.audit import Entry
from euguess.promotion.verdict import points
from services.trainer.reports.markdown import bullets, escaped


def promotion_section(version: str, entries: Sequence[Entry]) -> str:
    """Decisions about the version, oldest first, without who made them: a card may be published.

    A promotion, by whichever way, writes its entry of the log and nothing else.
    """
    found = [_decision(entry) for entry in entries if entry.version == version]
    return f"## Promotion of version {escaped(version)}\n\n" + (
        bullets(found) if found else "Never promoted, nor refused."
    )


def _decision(entry: Entry) -> str:
    forced = ", by force" if entry.is_forced else ""
    reason = f" Reason given: {escaped(entry.reason)}." if entry.reason else ""
    contest = entry.contest
    met = (
        f" Met the champion on {contest.places} places of {escaped(contest.dataset)}; difference "
        f"{points(contest.difference)} points."
        if contest
        else ""
    )
    return (
        f"{entry.at:%Y-%m-%d %H:%M} UTC, {entry.act.value}{forced}: {escaped(entry.verdict)}."
        f"{met}{reason}"
    )
