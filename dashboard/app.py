"""The script that Streamlit runs for each session. Start it with `python -m dashboard`."""

from pathlib import Path

import streamlit as st

from dashboard.connections import TOKEN, Connections, open_connections
from dashboard.navigation import pages

ICON = Path(__file__).with_name("icon.svg")  # a named icon would be fetched from the internet

st.set_page_config(page_title="EUGuess", page_icon=str(ICON), layout="wide")


@st.cache_resource(show_spinner=False)
def _connections() -> Connections:
    return open_connections(st.secrets[TOKEN])


st.navigation(pages(_connections()), position="top").run()
