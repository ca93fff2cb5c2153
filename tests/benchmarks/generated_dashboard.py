"""The dashboard over generated services: streamlit run FILE -- full|small|blank."""

import sys

import streamlit as st

from dashboard.connections import Connections
from dashboard.navigation import pages
from euguess.process.project import project_root
from tests.support.generated_services import FULL, SMALL, services

ICON = project_root() / "dashboard" / "icon.svg"
SIZES = {"full": FULL, "small": SMALL}

st.set_page_config(page_title="EUGuess", page_icon=str(ICON), layout="wide")


@st.cache_resource
def _connections(size: str) -> Connections:
    return services(dict(SIZES[size])).connections()


if sys.argv[1] in SIZES:
    st.navigation(pages(_connections(sys.argv[1])), position="top").run()
else:
    st.title("Blank")
