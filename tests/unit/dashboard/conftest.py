"""Fixtures that clear Streamlit's caches between tests and draw pages."""

from collections.abc import Callable, Iterator

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.connections import Connections

Draw = Callable[..., AppTest]


@pytest.fixture(autouse=True)
def _fresh_caches() -> Iterator[None]:
    st.cache_data.clear()
    st.cache_resource.clear()
    yield
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def draw() -> Draw:
    """Draw a page by the name of its package in dashboard.views."""

    def page(view, connections):  # type: ignore[no-untyped-def] # runs as a script of its own
        import importlib

        importlib.import_module(f"dashboard.views.{view}.page").render(connections)

    def drawn(view: str, connections: Connections) -> AppTest:
        return AppTest.from_function(page, args=(view, connections)).run(timeout=30)

    return drawn
