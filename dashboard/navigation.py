"""The pages and their order. Each package of dashboard.views has a module page with render()."""

from collections.abc import Callable

import streamlit as st
from streamlit.navigation.page import StreamlitPage

from dashboard.connections import Connections
from dashboard.views.dataset import page as dataset
from dashboard.views.models import page as models
from dashboard.views.overview import page as overview
from dashboard.views.play import page as play
from dashboard.views.predict import page as predict
from dashboard.views.reports import page as reports
from dashboard.views.results import page as results
from dashboard.views.training import page as training

Render = Callable[[Connections], None]


def pages(connections: Connections) -> list[StreamlitPage]:
    """Return all pages; the first one is the start page."""
    return [
        _page(overview.render, connections, "Overview", "monitoring"),
        _page(dataset.render, connections, "Dataset", "public"),
        _page(predict.render, connections, "Predict", "image_search"),
        _page(training.render, connections, "Training", "model_training"),
        _page(results.render, connections, "Results", "query_stats"),
        _page(reports.render, connections, "Reports", "lab_profile"),
        _page(models.render, connections, "Models", "trophy"),
        _page(play.render, connections, "Play", "sports_esports"),
    ]


def _page(render: Render, connections: Connections, title: str, icon: str) -> StreamlitPage:
    def draw() -> None:
        render(connections)

    return st.Page(draw, title=title, icon=f":material/{icon}:", url_path=title.lower())
