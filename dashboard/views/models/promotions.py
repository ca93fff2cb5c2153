"""Promote a version or roll back, with the verdict of the gate and the audit log."""

from collections.abc import Sequence

import streamlit as st

from dashboard.access import may_change
from dashboard.connections import Connections
from dashboard.notices import hint, show_errors
from dashboard.sources.versions import read_audit, read_champion, read_versions
from dashboard.text import plain
from dashboard.views.models.gate import preview_verdict, promote_version, roll_back_champion
from euguess.promotion.audit import AuditEntry, champion_before
from euguess.promotion.gate import refusal
from euguess.promotion.verdict import Verdict, points
from euguess.promotion.versions import RegisteredVersion

OUTCOME = "models-outcome"  # session state: (is_done, message), shown once after an action
MAX_REASON = 500


def show_outcome() -> None:
    """Show the result of the last action, once."""
    outcome = st.session_state.pop(OUTCOME, None)
    if outcome is None:
        return
    is_done, message = outcome
    if is_done:
        st.success(plain(message), icon=":material/check_circle:")
    else:
        st.error(plain(message), icon=":material/block:")


def promotion(
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    entries: Sequence[AuditEntry],
    connections: Connections,
) -> None:
    """Draw the gate's verdict, and the button that it allows."""
    if champion is not None and champion.version == version.version:
        st.success(
            f"Version {plain(version.version)} is the champion and is being served.",
            icon=":material/star:",
        )
        return
    verdict = preview_verdict(version, champion, entries)
    _show(verdict)
    if not may_change(connections.policy):
        return
    if verdict.is_promoted:
        if st.button(f"Promote version {plain(version.version)}", type="primary", key="promote"):
            _promote(version, connections, None)
        return
    if champion is not None and refusal(version, champion) is None and verdict.contest is None:
        command = f"euguess models promote {version.run_id}"
        hint("Let the trainer compare the two and promote the version if it is better:", command)
    _force(version, connections)


def _show(verdict: Verdict) -> None:
    """Show the verdict in advance."""
    if verdict.is_promoted:
        text, icon = f"The gate would promote it: {verdict.reason}.", ":material/door_open:"
    else:
        text, icon = f"The gate would refuse it: {verdict.reason}.", ":material/front_hand:"
    shown = st.info if verdict.is_promoted else st.warning
    shown(plain(text), icon=icon)


def _force(version: RegisteredVersion, connections: Connections) -> None:
    with st.expander("Force promotion", icon=":material/gavel:"), st.form("force"):
        reason = st.text_input(
            "Reason for the forced promotion (written to the audit log)", max_chars=MAX_REASON
        )
        is_sent = st.form_submit_button(f"Force promotion of version {plain(version.version)}")
    if is_sent:
        _promote(version, connections, reason)


def _promote(version: RegisteredVersion, connections: Connections, reason: str | None) -> None:
    if reason is not None and not reason.strip():
        st.error("A forced promotion needs a reason. Nothing was changed.", icon=":material/rule:")
        return
    verdict = promote_version(version, connections.registry, connections.store, reason)
    result = "Promoted" if verdict.is_promoted else "Not promoted"
    _finish(f"{result}: {verdict.reason}.", is_done=verdict.is_promoted)


def roll_back_form(
    champion: RegisteredVersion | None, entries: Sequence[AuditEntry], connections: Connections
) -> None:
    """Draw the rollback form, if the audit log has a previous champion."""
    previous = champion_before(entries, champion.version) if champion else None
    if champion is None or previous is None:
        return
    st.subheader("Roll back")
    st.markdown(f"Version {plain(previous)} was champion before version {plain(champion.version)}.")
    with st.form("rollback"):
        reason = st.text_input(
            "Reason for the rollback (written to the audit log)", max_chars=MAX_REASON
        )
        is_sent = st.form_submit_button(
            f"Roll back to version {plain(previous)}", icon=":material/undo:"
        )
    if is_sent:
        with show_errors():
            _roll_back(connections, reason)


def _roll_back(connections: Connections, reason: str) -> None:
    if not reason.strip():
        st.error("A rollback needs a reason. Nothing was changed.", icon=":material/rule:")
        return
    entry = roll_back_champion(connections.registry, connections.store, reason)
    _finish(f"Rolled back: {entry.verdict}.", is_done=True)


def _finish(message: str, *, is_done: bool) -> None:
    """Redraw the page with current data, and show the message."""
    st.session_state[OUTCOME] = (is_done, message)
    for source in (read_versions, read_champion, read_audit):
        source.clear()
    st.rerun()


def audit_log(entries: Sequence[AuditEntry]) -> None:
    """Draw all decisions, newest first."""
    st.subheader("Audit log")
    if not entries:
        st.info("No promotions or refusals yet.", icon=":material/history:")
        return
    st.dataframe([_row(entry) for entry in reversed(entries)], hide_index=True)
    st.caption(
        "Lead: challenger minus champion on the same places, in percentage points, with its 95% "
        "interval."
    )


def _row(entry: AuditEntry) -> dict[str, object]:
    contest = entry.contest
    forced = ", forced" if entry.is_forced else ""
    return {
        "#": entry.number,
        "Time (UTC)": f"{entry.at:%Y-%m-%d %H:%M}",
        "Version": entry.version,
        "Decision": f"{entry.act.value}{forced}",
        "Previous champion": entry.champion_before or "",
        "Lead (points)": points(contest.difference) if contest else "",
        "Places": str(contest.places) if contest else "",
        "Reason": entry.reason or "",
        "Verdict": entry.verdict,
        "By": entry.by,
    }
