"""Entry point of the dashboard: streamlit run dashboard/app.py."""

import streamlit as st

from dashboard.connections import Connections, open_connections
from dashboard.navigation import pages

st.set_page_config(page_title="EUGuess", page_icon=":material/travel_explore:", layout="wide")


@st.cache_resource
def _connections() -> Connections:
    return open_connections()


st.navigation(pages(_connections()), position="top").run()
