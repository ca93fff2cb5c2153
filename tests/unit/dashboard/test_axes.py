"""Every axis of every chart has a title, with its unit if it has one."""

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from dashboard.charts.accuracy import metrics_chart
from dashboard.charts.certainty import coverage_chart, reliability_chart
from dashboard.charts.collection import counts_chart
from dashboard.charts.confusion import confusion_chart
from dashboard.charts.dataset import balance_chart, years_chart
from dashboard.charts.dataset import views_chart as place_views_chart
from dashboard.charts.figures import HONESTY_STYLES, LEAKY_TEST, Figure, figures_chart
from dashboard.charts.prediction import top_chart, views_chart
from dashboard.charts.training import accuracies_chart, curves_chart
from dashboard.charts.views import fusion_chart
from euguess.messages.collection import StatusCounts
from euguess.messages.records import Interval
from tests.support.dashboard_services import prediction
from tests.support.generated_reports import generated_report

HALF = Interval(value=0.5, low=0.4, high=0.6)
REPORT = generated_report(("ES", "FR", "DE", "PL"), seed=3)
CERTAINTY = REPORT.certainty[-1]
COUNTS = {"FR": StatusCounts(requested=5, stored=2, no_coverage=1, failed=1, pending=1)}
PLACES = pd.DataFrame({"country_code": ["FR", "PL"], "year": [2019, 2021], "views": [3, 2]})
CURVES = pd.DataFrame({"epoch": [1, 2], "train_loss": [2.0, 1.0], "val_loss": [2.1, 1.5]})


@pytest.fixture(scope="module")
def charts() -> dict[str, dict[str, Any]]:
    """Build all charts as Vega-Lite, by name."""
    built = {
        "measures": metrics_chart({"top1_accuracy": HALF}, 0.25),
        "reliability": reliability_chart(CERTAINTY),
        "coverage": coverage_chart({"one": CERTAINTY}),
        "counts": counts_chart(COUNTS),
        "confusion": confusion_chart(REPORT),
        "balance": balance_chart(PLACES, {"FR": 2, "PL": 1}),
        "years": years_chart(PLACES),
        "views of a place": place_views_chart(PLACES),
        "figures": figures_chart([Figure("A", LEAKY_TEST, HALF)], HONESTY_STYLES, 0.25, "Recipe"),
        "top": top_chart(prediction("FR")),
        "views alone": views_chart(prediction("FR"), [prediction("PL")]),
        "tests": accuracies_chart({"a": HALF}, 0.25),
        "curves": curves_chart({"a": CURVES}, "loss", "Mean log loss (nats)"),
        "fusion": fusion_chart({"one": REPORT}),
    }
    return {name: chart.to_dict() for name, chart in built.items()}


def encodings(chart: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield channel and definition of each encoding, in all layers."""
    yield from chart.get("encoding", {}).items()
    for layer in chart.get("layer", ()):
        yield from encodings(layer)


def title_of(definition: dict[str, Any]) -> str | None:
    """Return the explicit title; column names do not count."""
    axis = definition.get("axis") or {}
    title: str | None = definition.get("title") or axis.get("title")
    return title


def test_each_axis_has_exactly_one_title(charts: dict[str, dict[str, Any]]) -> None:
    for name, chart in charts.items():
        for channel in ("x", "y"):
            found = [one for key, one in encodings(chart) if key == channel]
            titles = {title for one in found if (title := title_of(one))}
            assert len(titles) == 1, (name, channel)
            assert titles.pop()[0].isupper(), (name, channel)


def test_shares_are_shown_with_their_unit(charts: dict[str, dict[str, Any]]) -> None:
    for name, chart in charts.items():
        for key, one in encodings(chart):
            if key in ("x", "y") and "%" in str((one.get("axis") or {}).get("format")):
                assert "%" in str(title_of(one)), (name, key)
