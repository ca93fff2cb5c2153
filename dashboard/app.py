"""Entry point of the dashboard: streamlit run dashboard/app.py."""

import streamlit as st

from dashboard.views import overview
from euguess.clients import RegistryClient, SamplerClient
from euguess.settings import MlflowSettings, ServiceSettings


@st.cache_resource
def _sampler() -> SamplerClient:
    return SamplerClient(ServiceSettings.load().sampler_url)


@st.cache_resource
def _registry() -> RegistryClient:
    return RegistryClient(MlflowSettings.load().mlflow_url)


st.set_page_config(page_title="EUGuess", page_icon=":material/travel_explore:", layout="wide")
overview.render(_sampler(), _registry())
