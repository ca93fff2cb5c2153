"""One page: live counts per country against quota, and the champion's report."""

import streamlit as st

from dashboard.charts import counts_chart, metrics_chart
from euguess.clients import RegistryClient, SamplerClient
from euguess.errors import EUGuessError
from euguess.schemas import DatasetState, DatasetStatus, ModelCard

REFRESH_SECONDS = 2.0


def render(sampler: SamplerClient, registry: RegistryClient) -> None:
    """Draw the page; a service that is down takes only its own part along."""
    st.title("EUGuess")
    st.caption("Which European country was this photo taken in?")
    st.fragment(_datasets, run_every=REFRESH_SECONDS)(sampler)
    _champion(registry)


def _datasets(sampler: SamplerClient) -> None:
    st.header("Dataset")
    try:
        found = sampler.datasets()
    except EUGuessError as error:
        st.error(str(error))
        return
    if not found:
        st.info("No dataset yet. Collect one: `euguess dataset create demo --per-country 40`")
        return
    largest_first = sorted(found, key=lambda status: -status.total.requested)
    names = [status.spec.name for status in largest_first]
    chosen = st.selectbox("Dataset", names, label_visibility="collapsed")
    _dataset(largest_first[names.index(chosen)])


def _dataset(status: DatasetStatus) -> None:
    total = status.total
    st.progress(1 - total.pending / total.requested, text=_progress_text(status))
    numbers = {
        "Requested": total.requested,
        "Stored": total.stored,
        "No coverage": total.no_coverage,
        "Failed": total.failed,
        "Pending": total.pending,
    }
    for column, (name, number) in zip(st.columns(len(numbers)), numbers.items(), strict=True):
        column.metric(name, f"{number:,}")
    if status.state is DatasetState.PAUSED:
        st.warning(f"Paused: {status.reason}")
    st.altair_chart(counts_chart(status.countries))
    if status.failures:
        st.table({"reason": list(status.failures), "failed": list(status.failures.values())})


def _progress_text(status: DatasetStatus) -> str:
    done = status.total.requested - status.total.pending
    return f"{status.state.value}: {done:,} of {status.total.requested:,} places"


def _champion(registry: RegistryClient) -> None:
    st.header("Champion")
    try:
        card = registry.champion()
    except EUGuessError as error:
        st.error(str(error))
        return
    if card is None:
        st.info("No model yet. Train one: `euguess train demo --recipe experiments/demo.toml`")
        return
    _card(card)


def _card(card: ModelCard) -> None:
    st.markdown(
        f"Version **{card.version}**: {card.network} at {card.image.size} px, trained on "
        f"**{card.dataset}** ({len(card.countries)} countries) on {card.trained_at:%d %B %Y}; "
        f"tested by **{card.split_protocol}** split."
    )
    st.altair_chart(metrics_chart(card.metrics, chance=1 / len(card.countries)))
