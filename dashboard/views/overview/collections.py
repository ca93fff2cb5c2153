"""Collections in progress, the counts of one dataset, and the queues."""

import time

import streamlit as st

from dashboard.charts.collection import counts_chart
from dashboard.glossary import explain
from dashboard.notices import empty_state, show_errors
from dashboard.sources.collections import read_dead_letters, read_queues, read_statuses
from dashboard.text import counted, duration, plain
from dashboard.views.overview.budget import raise_command, spent_share, spent_text
from dashboard.views.overview.rate import CollectionRate
from euguess.clients import SamplerClient
from euguess.collection.providers import ProviderName
from euguess.messages.collection import DatasetState, DatasetStatus

ACTIVE = (DatasetState.COLLECTING, DatasetState.PAUSED)
SHOWN_LETTERS = 20
SPENT_HELP = "At list price. Includes requests in flight and requests whose result was lost."


def collections(sampler: SamplerClient) -> None:
    """Draw the section, which the page refreshes every few seconds."""
    with show_errors():
        found = read_statuses(sampler)
        if not found:
            command = "euguess dataset create demo --per-country 40"
            empty_state("No datasets yet. Collect one:", command)
        running = [s for s in found if s.state in ACTIVE or s.in_progress]
        for status in running:
            _running(status)
        if found:
            _one_dataset(found)
        _queues(sampler)


@st.cache_resource
def _rate() -> CollectionRate:
    return CollectionRate()


def _running(status: DatasetStatus) -> None:
    total, rate = status.total, _rate()
    rate.add(status.spec.name, time.monotonic(), total.requested - total.pending)
    per_second = rate.per_second(status.spec.name)
    with st.container(border=True):
        st.markdown(f"**{plain(status.spec.name)}**")
        st.progress(1 - total.pending / total.requested, text=_progress_text(status))
        _budget(status)
        if status.is_budget_spent:
            _raise_hint(status)
        elif status.state is DatasetState.PAUSED:
            st.warning(f"Paused: {plain(status.reason)}", icon=":material/pause_circle:")
        if status.awaited:
            st.info(plain(status.awaited), icon=":material/hourglass_top:")
        with st.container(horizontal=True):
            st.metric("Places per minute", "…" if per_second is None else f"{60 * per_second:,.0f}")
            st.metric("Time left", duration(total.pending / per_second) if per_second else "…")
            st.metric("Images", f"{status.images:,}")
            st.metric("Spent", f"${status.dollars_spent:,.2f}", help=SPENT_HELP)


def _budget(status: DatasetStatus) -> None:
    share = spent_share(status)
    if share is not None:
        st.progress(share, text=f"Budget: {spent_text(status)}")


def _raise_hint(status: DatasetStatus) -> None:
    st.warning(
        f"Paused: {plain(status.reason)}. {counted(status.total.pending, 'place')} pending. Raise "
        "the budget to continue:",
        icon=":material/account_balance_wallet:",
    )
    st.code(raise_command(status), language="bash", wrap_lines=True)


def _progress_text(status: DatasetStatus) -> str:
    done = status.total.requested - status.total.pending
    return f"{status.headline.capitalize()}: {done:,} of {status.total.requested:,} places"


def _one_dataset(found: list[DatasetStatus]) -> None:
    names = [status.spec.name for status in found]
    chosen = st.selectbox("Dataset", names, key="overview-dataset")
    status = found[names.index(chosen)]
    with st.container(horizontal=True):
        for name, number in _numbers(status).items():
            st.metric(name, f"{number:,}")
    st.altair_chart(counts_chart(status.countries))
    if status.failures:
        reasons = {"Reason": list(status.failures), "Failed": list(status.failures.values())}
        st.dataframe(reasons, hide_index=True)


def _numbers(status: DatasetStatus) -> dict[str, int]:
    """Return the counts to show; an import requests nothing, so it has only contents."""
    total = status.total
    if status.spec.provider == ProviderName.FOLDER:
        return {"Places": total.stored, "Photos": status.images}
    return {
        "Requested": total.requested,
        "Stored": total.stored,
        "No coverage": total.no_coverage,
        "Failed": total.failed,
        "Pending": total.pending,
    }


def _queues(sampler: SamplerClient) -> None:
    queues = read_queues(sampler)
    st.subheader("Queues")
    with st.container(horizontal=True):
        for name, count in queues.messages.items():
            st.metric(f"Queued {plain(name)} messages", f"{count:,}")
        st.metric("Places in progress", f"{queues.slots_in_flight:,}")
        st.metric("Failed jobs", f"{queues.dead_letters:,}", help=explain("dead letter"))
    if queues.dead_letters:
        _dead_letters(sampler)


def _dead_letters(sampler: SamplerClient) -> None:
    letters = read_dead_letters(sampler)[:SHOWN_LETTERS]
    with st.expander(f"{counted(len(letters), 'job')} failed", icon=":material/drafts:"):
        rows = [
            {
                "Time (UTC)": f"{letter.at:%Y-%m-%d %H:%M}",
                "Source": letter.source,
                "Reason": letter.reason,
            }
            for letter in letters
        ]
        st.dataframe(rows, hide_index=True)
        st.caption(
            "Messages and slots that failed permanently, newest first. `GET /dead-letters` returns "
            "their payloads."
        )
