"""Chart builders, without a browser."""

from dashboard.charts.accuracy import metrics_chart
from dashboard.charts.collection import counts_chart, counts_frame
from euguess.messages.collection import StatusCounts
from euguess.messages.records import Interval

COUNTS = {
    "FR": StatusCounts(requested=5, stored=2, no_coverage=1, failed=1, pending=1),
    "PL": StatusCounts(requested=3, stored=3, no_coverage=0, failed=0, pending=0),
}


def test_the_bars_of_a_country_add_up_to_its_quota() -> None:
    frame = counts_frame(COUNTS)
    assert frame.groupby("country")["locations"].sum().to_dict() == {"FR": 5, "PL": 3}


def test_each_axis_has_a_name() -> None:
    text = counts_chart(COUNTS).to_json()
    assert "Places" in text
    assert "Country" in text


def test_chance_is_drawn_beside_the_accuracies() -> None:
    chart = metrics_chart({"top1_accuracy": Interval(value=0.3, low=0.2, high=0.4)}, chance=0.125)
    assert "0.125" in chart.to_json()
    assert "Top-1, one view" in chart.to_json()
