"""Notices on pages: errors, empty states and hints."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.text import plain
from euguess.errors import EUGuessError, InvalidInput


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error raised in the block in its place, so that the rest of the page works."""
    try:
        yield
    except EUGuessError as error:
        is_input = isinstance(error, InvalidInput)  # the input is at fault, not a service
        icon = ":material/rule:" if is_input else ":material/cloud_off:"
        st.error(plain(error), icon=icon)


def empty_state(sentence: str, command: str) -> None:
    """Show what is missing, and the command that creates it."""
    st.info(sentence, icon=":material/lightbulb:")
    st.code(command, language="bash", wrap_lines=True)


def hint(sentence: str, command: str) -> None:
    """Show a command in a sentence; unlike st.code this does not delay first paint by 0.3 s."""
    st.info(f"{sentence} `{command}`", icon=":material/lightbulb:")
