"""Seconds until a page of the dashboard is drawn, at the study's full size and at a small size.

Run with `pytest tests/benchmarks/test_dashboard_benchmark.py -m benchmark -s`. Streamlit's own test
runner replaces a browser: the time is the server's, including the serialisation of its output.
"""

import functools
import importlib
import statistics
import time
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.charts.series import MAX_RUNS
from dashboard.connections import Connections
from tests.support.generated_services import FULL, SMALL, services

pytestmark = pytest.mark.benchmark

PAINT_SECONDS, INTERACTION_SECONDS = 2.0, 1.0
REPEATS = 5
VIEWS = ("overview", "dataset", "predict", "training", "results", "models", "play")
SECTIONS = ("Map", "Issues", "Export", "Balance")


def page(view, connections):  # type: ignore[no-untyped-def] # runs as a script of its own
    import importlib

    importlib.import_module(f"dashboard.views.{view}.page").render(connections)


def painted(view: str, connections: Connections) -> AppTest:
    drawn = AppTest.from_function(page, args=(view, connections)).run(timeout=60)
    assert not drawn.exception
    return drawn


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def first_paint(view: str, connections: Connections) -> float:
    """Measure with empty Streamlit caches, as after a start."""
    st.cache_data.clear()
    st.cache_resource.clear()
    return seconds(lambda: painted(view, connections))


def interactions(connections: Connections) -> dict[str, list[float]]:
    drawn = painted("dataset", connections)
    durations: dict[str, list[float]] = {name: [] for name in SECTIONS}
    for _ in range(REPEATS):
        for name in SECTIONS:
            drawn.segmented_control(key="section").set_value(name)
            durations[name].append(seconds(functools.partial(drawn.run, timeout=60)))
            assert not drawn.exception
            assert drawn.session_state["section"] == name
    return durations


def start_of_a_game(connections: Connections) -> float:
    drawn = painted("play", connections)
    return seconds(lambda: drawn.button[0].click().run(timeout=60))


def choice_of_an_example(connections: Connections) -> float:
    """Measure only the choice of the place: generated datasets have no photos."""
    drawn = painted("predict", connections)
    drawn.segmented_control[0].set_value("Example")
    return seconds(lambda: drawn.run(timeout=60))


def choice_of_a_version(connections: Connections) -> float:
    drawn = painted("models", connections)
    drawn.selectbox[0].set_value("7")
    return seconds(lambda: drawn.run(timeout=60))


def choices_of_sections(view: str, connections: Connections) -> dict[str, float]:
    """Measure each section, with five runs compared where possible."""
    drawn = painted(view, connections)
    if view == "training":
        drawn.multiselect(key="training-runs").set_value([f"run-{n}" for n in range(MAX_RUNS)])
    sections = importlib.import_module(f"dashboard.views.{view}.page").SECTIONS
    durations = {}
    for name in sections:
        drawn.segmented_control(key=f"{view}-section").set_value(name)
        durations[f"{view}, {name}"] = seconds(functools.partial(drawn.run, timeout=60))
        assert not drawn.exception
    return durations


@pytest.mark.parametrize("view", VIEWS)
def test_the_first_paint_is_quick_at_full_size(view: str) -> None:
    importlib.import_module(f"dashboard.views.{view}.page")
    full, small = services(dict(FULL)).connections(), services(dict(SMALL)).connections()
    rounds = [(first_paint(view, full), first_paint(view, small)) for _ in range(REPEATS)]
    slow, quick = (statistics.median(times) for times in zip(*rounds, strict=True))
    ratio = statistics.median(one / other for one, other in rounds)
    print(f"\n{view}: first paint {slow:.2f} s at full size, {quick:.2f} s small, {ratio:.1f} x")
    assert slow < PAINT_SECONDS


def test_interactions_are_quick_at_full_size() -> None:
    st.cache_data.clear()
    st.cache_resource.clear()
    full = services(dict(FULL)).connections()
    durations = {f"dataset, {name}": times for name, times in interactions(full).items()}
    durations["play, start"] = [start_of_a_game(full) for _ in range(REPEATS)]
    durations["predict, example"] = [choice_of_an_example(full) for _ in range(REPEATS)]
    durations["models, version"] = [choice_of_a_version(full) for _ in range(REPEATS)]
    for view in ("training", "results"):
        rounds = [choices_of_sections(view, full) for _ in range(REPEATS)]
        durations |= {name: [one[name] for one in rounds] for name in rounds[0]}
    for name, times in durations.items():
        print(f"\n{name}: {statistics.median(times):.2f} s, slowest {max(times):.2f} s")
    assert all(statistics.median(times) < INTERACTION_SECONDS for times in durations.values())
