"""Promote a version or roll back, with the verdict of the gate and the audit log."""

from collections.abc import Sequence

import streamlit as st

from dashboard.connections import Connections
from dashboard.notices import hint, show_errors
from dashboard.sources.versions import read_audit, read_champion, read_registered
from dashboard.text import plain
from dashboard.views.models.gate import preview_verdict, promote_version, roll_back_champion
from euguess.promotion.audit import AuditEntry, champion_before
from euguess.promotion.verdict import Verdict, points
from euguess.promotion.versions import RegisteredVersion

OUTCOME = "models-outcome"  # (whether it took effect, sentence), shown once after an action
MOST_REASON = 500


def show_outcome() -> None:
    """Say what the last action did, once."""
    outcome = st.session_state.pop(OUTCOME, None)
    if outcome is None:
        return
    is_done, sentence = outcome
    if is_done:
        st.success(plain(sentence), icon=":material/check_circle:")
    else:
        st.error(plain(sentence), icon=":material/block:")


def promotion(
    version: RegisteredVersion,
    champion: RegisteredVersion | None,
    entries: Sequence[AuditEntry],
    connections: Connections,
) -> None:
    """The gate's verdict, and the button that it allows."""
    if champion is not None and champion.version == version.version:
        st.success(
            f"Version {plain(version.version)} is the champion: it is served.",
            icon=":material/star:",
        )
        return
    verdict = preview_verdict(version, champion, entries)
    _show(verdict)
    if verdict.is_promoted:
        if st.button(f"Promote version {plain(version.version)}", type="primary", key="promote"):
            _promote(version, connections, None)
        return
    if champion is not None and verdict.contest is None and version.is_honest:
        command = f"euguess models promote {version.run_id}"
        hint("The trainer measures the two, and promotes the version if it is better:", command)
    _force(version, connections)


def _show(verdict: Verdict) -> None:
    """The verdict before anything is done."""
    if verdict.is_promoted:
        text, icon = f"The gate would let it through: {verdict.reason}.", ":material/door_open:"
    else:
        text, icon = f"The gate would refuse it: {verdict.reason}.", ":material/front_hand:"
    shown = st.info if verdict.is_promoted else st.warning
    shown(plain(text), icon=icon)


def _force(version: RegisteredVersion, connections: Connections) -> None:
    with st.expander("Promote it all the same", icon=":material/gavel:"), st.form("force"):
        reason = st.text_input("Why? The reason goes into the audit log.", max_chars=MOST_REASON)
        is_sent = st.form_submit_button(f"Promote version {plain(version.version)} by force")
    if is_sent:
        _promote(version, connections, reason)


def _promote(version: RegisteredVersion, connections: Connections, reason: str | None) -> None:
    if reason is not None and not reason.strip():
        st.error("Promoting by force needs a reason; nothing was changed.", icon=":material/rule:")
        return
    verdict = promote_version(version, connections.registry, connections.store, reason)
    said = "Promoted" if verdict.is_promoted else "Not promoted"
    _finish(f"{said}: {verdict.reason}.", is_done=verdict.is_promoted)


def roll_back_form(
    champion: RegisteredVersion | None, entries: Sequence[AuditEntry], connections: Connections
) -> None:
    """Back to the champion before, where the audit log knows one."""
    before = champion_before(entries, champion.version) if champion else None
    if champion is None or before is None:
        return
    st.subheader("Roll back")
    st.markdown(f"Version {plain(before)} was champion before version {plain(champion.version)}.")
    with st.form("rollback"):
        reason = st.text_input(
            "Why go back? The reason goes into the audit log.", max_chars=MOST_REASON
        )
        is_sent = st.form_submit_button(
            f"Go back to version {plain(before)}", icon=":material/undo:"
        )
    if is_sent:
        with show_errors():
            _go_back(connections, reason)


def _go_back(connections: Connections, reason: str) -> None:
    if not reason.strip():
        st.error("Going back needs a reason; nothing was changed.", icon=":material/rule:")
        return
    entry = roll_back_champion(connections.registry, connections.store, reason)
    _finish(f"Rolled back: {entry.verdict}.", is_done=True)


def _finish(sentence: str, *, is_done: bool) -> None:
    """Draw the page anew from what is true now."""
    st.session_state[OUTCOME] = (is_done, sentence)
    for source in (read_registered, read_champion, read_audit):
        source.clear()
    st.rerun()


def audit_log(entries: Sequence[AuditEntry]) -> None:
    """All decisions, the newest first."""
    st.subheader("Audit log")
    if not entries:
        st.info("Nothing has been promoted or refused yet.", icon=":material/history:")
        return
    st.dataframe([_row(entry) for entry in reversed(entries)], hide_index=True)
    st.caption("Lead: challenger minus champion on the same places, in points, with 95 % interval.")


def _row(entry: AuditEntry) -> dict[str, object]:
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
