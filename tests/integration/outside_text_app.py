"""Text from outside in each element that reads Markdown; the text is the first argument."""

import sys

import streamlit as st

from dashboard.text import plain

SHOWN = plain(sys.argv[1])

for element in (st.markdown, st.error, st.caption, st.subheader, st.button):
    element(SHOWN)
st.progress(0.5, SHOWN)
st.metric(SHOWN, 1)
st.text("The end")
