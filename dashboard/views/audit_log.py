"""The audit log: who made which version champion, when, and on what grounds."""

from collections.abc import Sequence

import streamlit as st

from euguess.promotion.audit import Entry
from euguess.promotion.verdict import points


def audit_log(entries: Sequence[Entry]) -> None:
    """All decisions, the newest first."""
    st.subheader("Audit log")
    if not entries:
        st.info("Nothing has been promoted or refused yet.", icon=":material/history:")
        return
    st.dataframe([_row(entry) for entry in reversed(entries)], hide_index=True)
    st.caption("Lead: challenger minus champion on the same places, in points, with 95 % interval.")


def _row(entry: Entry) -> dict[str, object]:
    contest = entry.contest
    forced = ", by force" if entry.is_forced else ""
    return {
        "#": entry.number,
        "When (UTC)": f"{entry.at:%Y-%m-%d %H:%M}",
        "Version": entry.version,
        "Decision": f"{entry.act.value}{forced}",
        "Champion before": entry.champion_before or "",
        "Lead (points)": points(contest.difference) if contest else "",
        "Places": str(contest.places) if contest else "",
        "Reason given": entry.reason or "",
        "Grounds": entry.verdict,
        "Who": entry.by,
    }
