"""Overview: which services answer, what is being collected, and how good the champion is."""

import time

import streamlit as st

from dashboard.budgets import raise_command, spent_share, spent_text
from dashboard.charts.accuracy import metrics_chart
from dashboard.charts.collection import counts_chart
from dashboard.connections import Connections
from dashboard.pace import Pace
from dashboard.sources.champion import read_champion
from dashboard.sources.collections import read_dead_letters, read_queues, read_statuses
from dashboard.sources.health import Health, read_health
from dashboard.text import duration, plain
from dashboard.trouble import next_step, trouble_shown
from euguess.clients import RegistryClient, SamplerClient
from euguess.messages.collection import DatasetState, DatasetStatus
from euguess.messages.records import Interval
from euguess.messages.serving import ModelCard

REFRESH_SECONDS = 2.0
HEALTH_SECONDS = 5.0
SHOWN_LETTERS = 20
SPENT_HELP = "At list price, with images under way and those whose result was lost"
LEAKY_PROTOCOL = "image"


def render(connections: Connections) -> None:
    """Draw the page; a service that is down takes only its own part along."""
    st.title("EUGuess")
    st.caption("Which European country was this photo taken in?")
    st.fragment(_health, run_every=HEALTH_SECONDS)(connections)
    with trouble_shown():
        _champion(connections.registry)
    st.fragment(_collections, run_every=REFRESH_SECONDS)(connections.sampler)


def _health(connections: Connections) -> None:
    found = read_health(connections)
    with st.container(horizontal=True, gap="small"):
        for health in found:
            is_well = health.trouble is None
            icon = ":material/check_circle:" if is_well else ":material/error:"
            st.badge(health.name, icon=icon, color="green" if is_well else "red")
    for health in found:
        if health.trouble is not None:
            _remedy(health)


def _remedy(health: Health) -> None:
    st.warning(
        f"**{health.name}**: {plain(health.trouble)}  \nStart the local stack with `euguess up`; "
        f"of the containers, `docker compose up -d {health.container}` starts it and "
        f"`docker compose logs {health.container}` says why it ended. What needs it waits.",
        icon=":material/build:",
    )


def _champion(registry: RegistryClient) -> None:
    st.header("Champion")
    card = read_champion(registry)
    if card is None:
        command = "euguess train demo --recipe experiments/demo.toml --promote"
        next_step("No model yet. Train one and make it champion:", command)
        return
    _accuracy(card)
    with st.expander("All measures", icon=":material/bar_chart:", expanded=True):
        st.altair_chart(metrics_chart(card.metrics, chance=1 / len(card.countries)))
        st.caption("Orange: 95 % interval. Dashed: chance.")


def _accuracy(card: ModelCard) -> None:
    chance = 1 / len(card.countries)
    shown = {
        "Right with one view": card.metrics.get("top1_accuracy"),
        "Right with all views": card.metrics.get("fused_top1_accuracy"),
    }
    with st.container(horizontal=True):
        for label, interval in shown.items():
            if interval is not None:
                st.metric(label, _percent(interval), help="With its 95 % interval", border=True)
        st.metric("Chance", f"{chance:.1%}", border=True)
    kind = "leaky" if card.split_protocol == LEAKY_PROTOCOL else "honest"
    colour = "orange" if kind == "leaky" else "green"
    st.markdown(
        f":{colour}-badge[{kind}] Version **{plain(card.version)}**: {plain(card.network)} at "
        f"{card.image.size} px, trained on **{plain(card.dataset)}** ({len(card.countries)} "
        f"countries) on {card.trained_at:%d %B %Y}; tested by "
        f"**{plain(card.split_protocol)}** split."
    )


def _percent(interval: Interval) -> str:
    value, low, high = (100 * number for number in (interval.value, interval.low, interval.high))
    return f"{value:.1f} % [{low:.0f}, {high:.0f}]"


# --- collections ---


def _collections(sampler: SamplerClient) -> None:
    st.header("Collections")
    with trouble_shown():
        found = read_statuses(sampler)
        if not found:
            command = "euguess dataset create demo --per-country 40"
            next_step("No dataset yet. Collect one:", command)
        running = [s for s in found if s.state in (DatasetState.COLLECTING, DatasetState.PAUSED)]
        for status in running:
            _running(status)
        if found:
            _one_dataset(found)
        _queues(sampler)


@st.cache_resource
def _pace() -> Pace:
    return Pace()


def _running(status: DatasetStatus) -> None:
    total, pace = status.total, _pace()
    pace.note(status.spec.name, time.monotonic(), total.requested - total.pending)
    rate = pace.per_second(status.spec.name)
    with st.container(border=True):
        st.markdown(f"**{plain(status.spec.name)}**")
        st.progress(1 - total.pending / total.requested, text=_progress_text(status))
        _budget(status)
        if status.is_budget_spent:
            _raise_hint(status)
        elif status.state is DatasetState.PAUSED:
            st.warning(f"Paused: {plain(status.reason)}", icon=":material/pause_circle:")
        with st.container(horizontal=True):
            st.metric("Places a minute", "…" if rate is None else f"{60 * rate:,.0f}")
            st.metric("Time left", duration(total.pending / rate) if rate else "…")
            st.metric("Images", f"{status.images:,}")
            st.metric("Spent", f"${status.dollars_spent:,.2f}", help=SPENT_HELP)


def _budget(status: DatasetStatus) -> None:
    share = spent_share(status)
    if share is not None:
        st.progress(share, text=f"budget: {spent_text(status)}")


def _raise_hint(status: DatasetStatus) -> None:
    st.warning(
        f"Paused: {plain(status.reason)}. Places that wait: {status.total.pending:,}. "
        "It goes on once the budget is raised:",
        icon=":material/account_balance_wallet:",
    )
    st.code(raise_command(status), language="bash", wrap_lines=True)


def _progress_text(status: DatasetStatus) -> str:
    done = status.total.requested - status.total.pending
    return f"{status.state.value}: {done:,} of {status.total.requested:,} places"


def _one_dataset(found: list[DatasetStatus]) -> None:
    names = [status.spec.name for status in found]
    chosen = st.selectbox("Dataset", names, key="overview-dataset")
    status = found[names.index(chosen)]
    total = status.total
    numbers = {
        "Requested": total.requested,
        "Stored": total.stored,
        "No coverage": total.no_coverage,
        "Failed": total.failed,
        "Pending": total.pending,
    }
    with st.container(horizontal=True):
        for name, number in numbers.items():
            st.metric(name, f"{number:,}")
    st.altair_chart(counts_chart(status.countries))
    if status.failures:
        reasons = {"reason": list(status.failures), "failed": list(status.failures.values())}
        st.dataframe(reasons, hide_index=True)


def _queues(sampler: SamplerClient) -> None:
    queues = read_queues(sampler)
    st.subheader("Queues")
    with st.container(horizontal=True):
        for name, waiting in queues.messages.items():
            st.metric(f"Messages that wait: {plain(name)}", f"{waiting:,}")
        st.metric("Places under way", f"{queues.slots_in_flight:,}")
        st.metric("Dead letters", f"{queues.dead_letters:,}")
    if queues.dead_letters:
        _dead_letters(sampler)


def _dead_letters(sampler: SamplerClient) -> None:
    letters = read_dead_letters(sampler)[:SHOWN_LETTERS]
    with st.expander(f"The newest {len(letters)} dead letters", icon=":material/drafts:"):
        rows = [
            {
                "at": f"{letter.at:%Y-%m-%d %H:%M} UTC",
                "source": letter.source,
                "reason": letter.reason,
            }
            for letter in letters
        ]
        st.dataframe(rows, hide_index=True)
        st.caption("Messages and slots that were given up; `GET /dead-letters` has their payload.")
