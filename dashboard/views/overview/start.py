"""The form that starts a collection: where, how many places, and at which price."""

import streamlit as st

from dashboard.notices import show_errors
from dashboard.sources.collections import read_statuses
from dashboard.text import counted, country_name, plain
from euguess.clients import SamplerClient
from euguess.collection.providers import COLLECTED, ProviderName, tariff
from euguess.collection.quote import quote
from euguess.geography.countries import PRESETS
from euguess.imports.storing import check_name
from euguess.messages.collection import Budget, DatasetSpec

PRESET = "europe"  # its countries can be chosen
FIRST_PLACES, MOST_PLACES = 40, 1_000_000
SENT = "collections-started"  # number sent in this session; part of the button's key
NEEDS_BUDGET = (
    "This provider charges for images. Set a budget, at which the collection pauses; it can be "
    "raised at any time."
)


def start_section(sampler: SamplerClient) -> None:
    """Draw the form with a quote, which is made before anything is spent."""
    with st.expander("Start a collection", icon=":material/add_location_alt:"), show_errors():
        left, right = st.columns(2)
        with left:
            name = st.text_input("Name", key="collection-name", placeholder="demo").strip()
            codes = st.multiselect(
                "Countries",
                sorted(PRESETS[PRESET].quotas, key=country_name),
                format_func=country_name,
                key="collection-countries",
                placeholder="Select countries",
            )
            places = st.number_input(
                "Places per country", 1, MOST_PLACES, FIRST_PLACES, key="collection-places"
            )
        with right:
            provider = st.selectbox("Provider", COLLECTED, key="collection-provider")
            budget = budget_fields("collection", Budget())
        if not name or not codes:
            st.caption("Give a name and countries to see the price.")
            return
        quotas = dict.fromkeys(sorted(codes), int(places))
        check_name(name)
        spec = DatasetSpec(name=name, quotas=quotas, provider=provider, budget=budget)
        _offer(spec, sampler)


def budget_fields(key: str, current: Budget) -> Budget | None:
    """Draw fields for both limits, empty for none, and return the budget; None without limits."""
    images = st.number_input(
        "Most images", 0, 10**9, current.images, key=f"{key}-images", placeholder="no limit"
    )
    dollars = st.number_input(
        "Most US dollars",
        0.0,
        1e7,
        current.dollars,
        key=f"{key}-dollars",
        placeholder="no limit",
    )
    if images is None and dollars is None:
        return None
    return Budget(images=images, dollars=dollars)


def _offer(spec: DatasetSpec, sampler: SamplerClient) -> None:
    """Draw the quote, the button and the same as a command."""
    found = quote(spec)
    price = f"\\${found.dollars:,.2f} at list price" if found.dollars else "free"
    st.markdown(f"{counted(found.places, 'place')}, {counted(found.images, 'image')}, {price}.")
    if found.shortage is not None:
        covered = f"{found.places_in_budget:,} of {counted(found.places, 'place')}"
        st.warning(f"The budget covers only {covered}.", icon=":material/savings:")
    if spec.budget is None and tariff(spec.provider).dollars_per_image:
        st.warning(NEEDS_BUDGET, icon=":material/savings:")
    else:
        _button(spec, sampler)
    st.caption(f"The same as a command: `{create_command(spec)}`")


def _button(spec: DatasetSpec, sampler: SamplerClient) -> None:
    """Draw a new button after each request, so that a double click sends only one."""
    sent = st.session_state.setdefault(SENT, 0)
    if st.button("Start", type="primary", icon=":material/play_arrow:", key=f"collect-{sent}"):
        st.session_state[SENT] = sent + 1
        sampler.create(spec)
        read_statuses.clear()
        st.success(f"Collecting {plain(spec.name)}. See its progress below.")


def create_command(spec: DatasetSpec) -> str:
    """Return the command that starts or resumes a collection of this page."""
    options = [f"--preset {PRESET} --countries {','.join(spec.quotas)}"]
    options.append(f"--per-country {next(iter(spec.quotas.values()))}")
    if spec.provider != ProviderName.SIMULATOR:
        options.append(f"--provider {spec.provider}")
    if spec.budget and spec.budget.images is not None:
        options.append(f"--budget-images {spec.budget.images}")
    if spec.budget and spec.budget.dollars is not None:
        options.append(f"--budget-dollars {spec.budget.dollars:g}")
    return f"euguess dataset create {spec.name} {' '.join(options)}"
