"""Show the first argument in each Streamlit element that parses Markdown."""

import sys

import streamlit as st

from dashboard.text import plain

SHOWN = plain(sys.argv[1])

for element in (st.markdown, st.error, st.caption, st.subheader, st.button):
    element(SHOWN)
st.progress(0.5, SHOWN)
st.metric(SHOWN, 1)
st.text("The end")
