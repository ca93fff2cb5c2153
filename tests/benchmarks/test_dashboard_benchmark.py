"""Seconds until a page of the dashboard is drawn, at the study's full size and as a small one.

Run with `pytest tests/benchmarks/test_dashboard_benchmark.py -m benchmark -s`. Streamlit's own test
runner stands in for a browser: the time is that of the server, with what it sends serialised.
"""

import functools
import importlib
import statistics
import time
from collections.abc import Callable

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.connections import Connections
from euguess.countries import PRESETS
from euguess.datasets import total_counts
from euguess.schemas import DatasetSpec, DatasetState, DatasetStatus, SeenViews, StatusCounts
from tests.dashboard_services import FakeServices, fill, model_card
from tests.generated_dataset import generated_objects, generated_rows
from tests.generated_reports import generated_report

pytestmark = pytest.mark.benchmark

FULL, SMALL = PRESETS["eu32"].quotas, {"FR": 40, "LU": 40}
PAINT_SECONDS, INTERACTION_SECONDS = 2.0, 1.0
REPEATS = 5
SECTIONS = ("Map", "Export", "Balance")
RESULT_SECTIONS = ("Honesty", "Countries", "Views", "Certainty", "Study")


def services(quotas: dict[str, int]) -> FakeServices:
    made = FakeServices(card=model_card(*quotas))
    fill(made, *generated_objects("demo", quotas))
    ids = {row["location_id"] for row in generated_rows("demo", quotas)}
    made.seen = SeenViews(location_ids=tuple(sorted(ids)[: len(ids) * 4 // 5]), sha256s=())
    countries = {
        code: StatusCounts(requested=n, stored=n // 2, no_coverage=0, failed=0, pending=n - n // 2)
        for code, n in quotas.items()
    }
    made.statuses = [
        DatasetStatus(
            spec=DatasetSpec(name="demo", quotas=quotas),
            state=DatasetState.COLLECTING,
            total=total_counts(countries),
            countries=countries,
        )
    ]
    return made


def page(view, connections):  # type: ignore[no-untyped-def] # runs as a script of its own
    import importlib

    importlib.import_module(f"dashboard.views.{view}").render(connections)


def painted(view: str, connections: Connections) -> AppTest:
    drawn = AppTest.from_function(page, args=(view, connections)).run(timeout=60)
    assert not drawn.exception
    return drawn


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def first_paint(view: str, connections: Connections) -> float:
    """With nothing in Streamlit's caches, as after a start."""
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


def ten_runs() -> Connections:
    codes = tuple(FULL)
    made = services(dict(SMALL))
    made.runs = {
        f"run-{number}": generated_report(
            codes, f"recipe-{number // 2}", is_leaky=number % 2 == 0, places=20, seed=number
        )
        for number in range(10)
    }
    return made.connections()


def test_results_of_ten_runs_are_quick() -> None:
    importlib.import_module("dashboard.views.results")
    connections = ten_runs()
    paints = [first_paint("results", connections) for _ in range(REPEATS)]
    print(f"\nresults: first paint {statistics.median(paints):.2f} s with ten runs")
    drawn = painted("results", connections)
    durations = {}
    for name in RESULT_SECTIONS:
        drawn.segmented_control(key="results-section").set_value(name)
        durations[name] = seconds(functools.partial(drawn.run, timeout=60))
        assert not drawn.exception
        print(f"results, {name}: {durations[name]:.2f} s")
    assert statistics.median(paints) < PAINT_SECONDS
    assert max(durations.values()) < INTERACTION_SECONDS


@pytest.mark.parametrize("view", ["overview", "dataset", "play"])
def test_the_first_paint_is_quick_at_full_size(view: str) -> None:
    importlib.import_module(f"dashboard.views.{view}")
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
    for name, times in durations.items():
        print(f"\n{name}: {statistics.median(times):.2f} s, slowest {max(times):.2f} s")
    assert all(statistics.median(times) < INTERACTION_SECONDS for times in durations.values())
