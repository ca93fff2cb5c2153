"""Collections in progress, the counts of one dataset, and the queues."""

import time

import streamlit as st

from dashboard.charts.collection import counts_chart
from dashboard.notices import empty_state, show_errors
from dashboard.sources.collections import read_dead_letters, read_queues, read_statuses
from dashboard.text import duration, plain
from dashboard.views.overview.budget import raise_command, spent_share, spent_text
from dashboard.views.overview.rate import CollectionRate
from euguess.clients import SamplerClient
from euguess.messages.collection import DatasetState, DatasetStatus

SHOWN_LETTERS = 20
SPENT_HELP = "At list price, with images under way and those whose result was lost"


def collections(sampler: SamplerClient) -> None:
    """Draw it; a fragment of the page, drawn again every few seconds."""
    st.header("Collections")
    with show_errors():
        found = read_statuses(sampler)
        if not found:
            command = "euguess dataset create demo --per-country 40"
            empty_state("No dataset yet. Collect one:", command)
        running = [s for s in found if s.state in (DatasetState.COLLECTING, DatasetState.PAUSED)]
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
        with st.container(horizontal=True):
            st.metric("Places a minute", "…" if per_second is None else f"{60 * per_second:,.0f}")
            st.metric("Time left", duration(total.pending / per_second) if per_second else "…")
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
