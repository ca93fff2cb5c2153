"""Models: the registered versions, their accuracy, the champion and the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import streamlit as st

from dashboard.access import ask_for_token, may_change
from dashboard.connections import Connections
from dashboard.glossary import explain
from dashboard.notices import empty_state, show_errors
from dashboard.sources.versions import Versions, read_audit, read_cards, read_versions
from dashboard.store import Store
from dashboard.text import percent
from dashboard.views.models.promotions import audit_log, promotion, roll_back_form, show_outcome
from dashboard.views.models.report import report
from euguess.messages.records import Interval
from euguess.messages.serving import ModelCard
from euguess.promotion.audit import AuditEntry
from euguess.promotion.versions import RegisteredVersion
from euguess.training.report import MAY_LEAK

ALL_VIEWS, ONE_VIEW = "fused_top1_accuracy", "top1_accuracy"


def render(connections: Connections) -> None:
    """Draw the page; promotions go through euguess.promotion.gate."""
    st.title("Models", help=explain("champion", "honest", "leaky"))
    show_outcome()
    ask_for_token(connections.policy, "promote and roll back versions")
    champion: RegisteredVersion | None = None
    entries = _entries(connections.store)
    with show_errors():
        registered = read_versions(connections.registry)
        champion = registered.champion
        _registered(registered, entries, connections)
    if entries is not None:
        with show_errors():
            if may_change(connections.policy):
                roll_back_form(champion, entries, connections)
        audit_log(entries)


def _entries(store: Store) -> Sequence[AuditEntry] | None:
    """Return the audit log, or show an error and return None if the store is down."""
    with show_errors():
        return read_audit(store)
    return None


def _registered(
    registered: Versions, entries: Sequence[AuditEntry] | None, connections: Connections
) -> None:
    if not registered.versions:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        empty_state("No registered models yet. Train and promote one:", command)
        return
    run_ids = tuple(version.run_id for version in registered.versions)
    cards = read_cards(connections.registry, run_ids)
    _table(registered, cards)
    _version(registered, cards, entries, connections)


def _table(registered: Versions, cards: Mapping[str, ModelCard]) -> None:
    champion = registered.champion.version if registered.champion else None
    rows = [
        _row(version, cards.get(version.run_id), is_champion=version.version == champion)
        for version in registered.versions
    ]
    st.dataframe(rows, hide_index=True)
    st.caption(
        "Top-1 accuracy over places (all views fused) and over single photos, with 95% intervals, "
        "each on the version's own test set. Results on different test sets are not comparable; "
        "the gate tests two versions on the same places."
    )


def _row(
    version: RegisteredVersion, card: ModelCard | None, *, is_champion: bool
) -> dict[str, object]:
    metrics = card.metrics if card else {}
    return {
        "Version": int(version.version),
        "Status": "★ champion" if is_champion else "",
        "Accuracy, all views": _percent(metrics.get(ALL_VIEWS)),
        "Accuracy, one view": _percent(metrics.get(ONE_VIEW)),
        "Test": kind(version),
        "Recipe": card.recipe_name if card else "files missing",
        "Network": card.network if card else "",
        "Dataset": version.dataset,
        "Trained (UTC)": f"{card.trained_at:%Y-%m-%d %H:%M}" if card else "",
    }


def kind(version: RegisteredVersion) -> str:
    """Return the kind of test: honest, leaky, with faults or of unknown places."""
    if version.faults:
        return f"faulty: {', '.join(version.faults)}"
    if version.may_leak:
        return f"{MAY_LEAK}, {version.protocol} split"
    word = "honest" if version.is_honest else "LEAKY"
    return f"{word}, {version.protocol} split"


def _version(
    registered: Versions,
    cards: Mapping[str, ModelCard],
    entries: Sequence[AuditEntry] | None,
    connections: Connections,
) -> None:
    st.subheader("Version details")
    numbers = [version.version for version in registered.versions]
    number = st.selectbox("Version", numbers, key="models-version")
    version = next(one for one in registered.versions if one.version == number)
    version, champion = _with_countries(version, cards), registered.champion
    champion = _with_countries(champion, cards) if champion else None
    if entries is None:
        st.caption("Promotion is unavailable while the store, which holds the audit log, is down.")
    else:
        with show_errors():
            promotion(version, champion, entries, connections)
    with show_errors():
        report(version, cards.get(version.run_id), connections.registry)


def _with_countries(
    version: RegisteredVersion, cards: Mapping[str, ModelCard]
) -> RegisteredVersion:
    """Return the version with the countries of its card, which older versions do not record."""
    card = cards.get(version.run_id)
    if version.countries or card is None:
        return version
    return replace(version, countries=tuple(one.country_code for one in card.countries))


def _percent(interval: Interval | None) -> str:
    return "" if interval is None else percent(interval)
