"""What a page shows in place of data that a service could not give."""

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from dashboard.text import plain
from euguess.errors import EUGuessError, InvalidInput


@contextmanager
def show_errors() -> Iterator[None]:
    """Show an error of the block in its place and go on after it: the rest of the page works."""
    try:
        yield
    except EUGuessError as error:
        is_ours = isinstance(error, InvalidInput)  # what was given, not a service, is at fault
        icon = ":material/rule:" if is_ours else ":material/cloud_off:"
        st.error(plain(error), icon=icon)


def empty_state(sentence: str, command: str) -> None:
    """An empty state: what is missing, and the command that makes it."""
    st.info(sentence, icon=":material/lightbulb:")
    st.code(command, language="bash", wrap_lines=True)


def hint(sentence: str, command: str) -> None:
    """A command beside what a page shows; unlike st.code it costs no 0.3 s of first paint."""
    st.info(f"{sentence} `{command}`", icon=":material/lightbulb:")
