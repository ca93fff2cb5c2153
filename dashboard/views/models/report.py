"""The metrics of one version, from its model card and report."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard.charts.accuracy import METRIC_NAMES, metrics_chart
from dashboard.notices import show_errors
from dashboard.sources.versions import read_report
from dashboard.text import country_name, plain
from euguess.clients import RegistryClient
from euguess.messages.serving import ModelCard
from euguess.promotion.versions import RegisteredVersion


def report(version: RegisteredVersion, card: ModelCard | None, registry: RegistryClient) -> None:
    """Draw the metrics; countries and the full report only on demand."""
    if card is None:
        st.warning(f"The files of version {plain(version.version)} are missing from MLflow.")
        return
    if any(name in card.metrics for name in METRIC_NAMES):
        st.altair_chart(metrics_chart(card.metrics, chance=1 / len(card.countries)))
        st.caption("Orange: 95% interval. Dashed: chance.")
    names = ", ".join(country.name for country in card.countries)
    with st.expander(f"{len(card.countries)} countries", icon=":material/flag:"):
        st.markdown(plain(names))
    is_open = st.toggle("Full report", key="models-report")
    if is_open:
        with show_errors():
            _full(version, read_report(registry, version.run_id))


def _full(version: RegisteredVersion, found: Mapping[str, Any]) -> None:
    rows = [_country(row) for row in found.get("per_country", ())]
    if rows:
        st.dataframe(rows, hide_index=True)
        st.caption("Over single photos of the test set.")
    st.download_button(
        "Report as JSON",
        json.dumps(found, indent=2),
        file_name=f"euguess-version-{version.version}-report.json",
        mime="application/json",
        icon=":material/download:",
    )


def _country(row: Mapping[str, Any]) -> dict[str, object]:
    code = str(row.get("country_code", ""))
    return {
        "Country": country_name(code),
        "Test photos": row.get("images"),
        "Recall (%)": _rounded(row.get("recall")),
        "Precision (%)": _rounded(row.get("precision")),
    }


def _rounded(share: object) -> float | None:
    return round(100 * share, 1) if isinstance(share, int | float) else None
