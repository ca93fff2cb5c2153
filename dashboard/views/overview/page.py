"""Overview: the health of the services, collections in progress and the champion's accuracy."""

import streamlit as st

from dashboard.access import ask_for_token, may_change
from dashboard.charts.accuracy import metrics_chart
from dashboard.connections import Connections
from dashboard.glossary import explain
from dashboard.notices import empty_state, show_errors
from dashboard.sources.health import ServiceHealth, read_health
from dashboard.sources.versions import read_champion
from dashboard.text import percent, plain
from dashboard.views.overview.collections import collections
from dashboard.views.overview.control import control_section
from dashboard.views.overview.start import start_section
from euguess.clients import RegistryClient
from euguess.messages.serving import ModelCard

REFRESH_SECONDS = 2.0
HEALTH_SECONDS = 5.0
MEASURED = f"With its 95% interval.\n\n{explain('view', 'fused')}"
LEAKY_PROTOCOL = "image"
HONEST, LEAKY, UNKNOWN = "honest", "leaky", "places unknown"
TESTED_ON = {
    HONEST: "places it never saw",
    LEAKY: "photos of places it was trained on",
    UNKNOWN: "photos it never saw, of unknown places",
}


def render(connections: Connections) -> None:
    """Draw the page; if a service is down, only its own part is missing."""
    st.title("EUGuess")
    st.caption("Which European country was this photo taken in?")
    st.fragment(_health, run_every=HEALTH_SECONDS)(connections)
    with show_errors():
        _champion(connections.registry)
    st.header("Collections")
    ask_for_token(connections.policy, "start, stop and resume collections")
    if may_change(connections.policy):
        start_section(connections.sampler)
        st.fragment(control_section, run_every=REFRESH_SECONDS)(connections.sampler)
    st.fragment(collections, run_every=REFRESH_SECONDS)(connections.sampler)


def _health(connections: Connections) -> None:
    found = read_health(connections)
    with st.container(horizontal=True, gap="small"):
        for health in found:
            is_well = health.problem is None
            icon = ":material/check_circle:" if is_well else ":material/error:"
            st.badge(health.name, icon=icon, color="green" if is_well else "red")
    for health in found:
        if health.problem is not None:
            _remedy(health)


def _remedy(health: ServiceHealth) -> None:
    st.warning(
        f"**{health.name}**: {plain(health.problem)}  \nStart the local stack: `euguess up`. With "
        f"Docker Compose, start it with `docker compose up -d {health.container}` and find the "
        f"cause with `docker compose logs {health.container}`. Dependent services will wait until "
        "it is back.",
        icon=":material/build:",
    )


def _champion(registry: RegistryClient) -> None:
    st.header("Champion", help=explain("champion"))
    card = read_champion(registry)
    if card is None:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        empty_state("No champion yet. Train and promote a model:", command)
        return
    _accuracy(card)
    with st.expander("All metrics", icon=":material/bar_chart:", expanded=True):
        st.altair_chart(metrics_chart(card.metrics, chance=1 / len(card.countries)))
        st.caption("Orange: 95% interval. Dashed: chance.")


def _kind(card: ModelCard) -> str:
    if card.split_protocol == LEAKY_PROTOCOL:
        return LEAKY
    return UNKNOWN if card.may_leak else HONEST


def _accuracy(card: ModelCard) -> None:
    chance = 1 / len(card.countries)
    shown = {
        "Accuracy, one view": card.metrics.get("top1_accuracy"),
        "Accuracy, all views fused": card.metrics.get("fused_top1_accuracy"),
    }
    with st.container(horizontal=True):
        for label, interval in shown.items():
            if interval is not None:
                st.metric(label, percent(interval), help=MEASURED, border=True)
        st.metric("Chance", f"{chance:.1%}", border=True)
    kind = _kind(card)
    colour = "green" if kind == HONEST else "orange"
    st.markdown(
        f":{colour}-badge[{kind}] Version **{plain(card.version)}**: {plain(card.network)} at "
        f"{card.image.size} px, trained on **{plain(card.dataset)}** ({len(card.countries)} "
        f"countries) on {card.trained_at:%d %B %Y}; tested on {TESTED_ON[kind]} "
        f"(**{plain(card.split_protocol)} split**).",
        help=explain(*([kind] if kind != UNKNOWN else []), "split"),
    )
