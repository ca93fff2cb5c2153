"""Charts of results, without a browser."""

import itertools
import json

import numpy as np
import pytest

from dashboard.charts.certainty import (
    coverage_chart,
    coverage_frame,
    reliability_chart,
    reliability_frame,
)
from dashboard.charts.confusion import confusion_chart, confusion_frame, confusions
from dashboard.charts.figures import HONESTY_STYLES, LEAKY_TEST, STUDY_STYLES, Figure, figures_chart
from dashboard.charts.maps import confusion_map
from dashboard.charts.order import by_geography, centres
from dashboard.charts.series import DASHES, MAX_RUNS, SHAPES
from dashboard.charts.views import fusion_chart, views_frame
from euguess.geography.countries import PRESETS
from euguess.geography.geodesy import great_circle_km
from tests.support.generated_reports import generated_report

CODES = ("ES", "FR", "DE", "PL")
REPORT = generated_report(CODES, seed=3)
ROUNDING = 1e-9
ALL = frozenset(PRESETS["eu32"].quotas)


def length_km(codes: tuple[str, ...]) -> float:
    return sum(great_circle_km(centres()[a], centres()[b]) for a, b in itertools.pairwise(codes))


def test_countries_are_ordered_from_west_to_east() -> None:
    assert by_geography(frozenset({"PL", "DE", "FR", "PT", "ES"})) == ("PT", "ES", "FR", "DE", "PL")


def test_the_path_visits_each_country_once_and_is_2_optimal() -> None:
    path = by_geography(ALL)
    assert (set(path), len(path)) == (set(ALL), len(ALL))
    for start, end in itertools.combinations(range(1, len(path)), 2):
        turned = path[:start] + path[start : end + 1][::-1] + path[end + 1 :]
        assert length_km(turned) > length_km(path) - 1e-3


def test_the_path_is_far_shorter_than_in_alphabetical_order() -> None:
    assert length_km(by_geography(ALL)) < length_km(tuple(sorted(ALL))) / 3


def test_unknown_countries_come_last() -> None:
    assert by_geography(frozenset({"XX", "FR", "ES"})) == ("ES", "FR", "XX")


def test_confusions_are_the_cells_off_the_diagonal() -> None:
    matrix = np.array(REPORT.confusion)
    found = confusions(REPORT)
    assert sum(one.photos for one in found) == matrix.sum() - np.trace(matrix)
    assert [one.photos for one in found] == sorted((one.photos for one in found), reverse=True)
    assert all(one.true != one.predicted for one in found)


def test_shares_of_a_true_country_add_up_to_one() -> None:
    sums = confusion_frame(REPORT).groupby("true")["share"].sum()
    assert sums.to_numpy() == pytest.approx(np.ones(len(CODES)))


def test_arcs_run_from_the_true_to_the_predicted_country() -> None:
    deck = json.loads(confusion_map(confusions(REPORT)[:2]).to_json())
    arcs = deck["layers"][-1]
    assert arcs["@@type"] == "ArcLayer"
    strongest = confusions(REPORT)[0]
    start = centres()[strongest.true]
    assert arcs["data"][0]["from"] == pytest.approx([start.lon, start.lat], abs=1e-3)
    assert deck.get("mapProvider") is None


def test_bins_contain_all_places_and_intervals_the_accuracy() -> None:
    certainty = REPORT.certainty[-1]
    frame = reliability_frame(certainty)
    assert frame["places"].sum() == certainty.locations
    assert (frame["low"] <= frame["value"] + ROUNDING).all()
    assert (frame["value"] <= frame["high"] + ROUNDING).all()


def test_the_curve_ends_at_full_coverage() -> None:
    last = coverage_frame({"one": REPORT.certainty[-1]}).sort_values("coverage").iloc[-1]
    assert last["coverage"] == 1.0
    assert last["value"] == pytest.approx(REPORT.fused[-1].metrics["top1_accuracy"].value)


def test_each_number_of_views_has_an_accuracy() -> None:
    frame = views_frame({"one": REPORT})
    assert frame["views"].tolist() == [1, 2, 3]
    assert frame["value"].tolist() == [f.metrics["top1_accuracy"].value for f in REPORT.fused]


def test_each_axis_has_a_name_and_a_unit() -> None:
    certainty = REPORT.certainty[-1]
    figure = Figure("GoogLeNet", LEAKY_TEST, REPORT.metrics["top1_accuracy"])
    for chart, titles in (
        (confusion_chart(REPORT), ("Predicted country", "True country")),
        (reliability_chart(certainty), ("Mean confidence (%)", "Accuracy over places (%)")),
        (
            coverage_chart({"one": certainty}),
            ("Places answered", "Accuracy of answered places (%)"),
        ),
        (fusion_chart({"one": REPORT}), ("Views per place", "Accuracy over places (%)")),
        (figures_chart([figure], HONESTY_STYLES, 0.25, "Recipe"), ("Accuracy (%)", "Recipe")),
    ):
        text = chart.to_json()
        assert all(title in text for title in titles)


def test_kinds_differ_in_shape_as_well_as_colour() -> None:
    for styles in (STUDY_STYLES, HONESTY_STYLES):
        assert len({shape for _, shape in styles.values()}) == len(styles)
    assert len(SHAPES) == len({str(dash) for dash in DASHES}) == MAX_RUNS


def test_compared_runs_are_in_the_legend() -> None:
    certainty = REPORT.certainty[-1]
    pair = {"one": REPORT, "other": REPORT}
    for chart in (fusion_chart(pair), coverage_chart(dict.fromkeys(pair, certainty))):
        assert '"other"' in chart.to_json()


def test_cells_of_the_matrix_carry_their_numbers_in_ink_for_the_theme() -> None:
    for is_dark, ink in ((False, "#1B2733"), (True, "#FFFFFF")):
        spec = json.loads(confusion_chart(REPORT, is_dark=is_dark).to_json())
        numbers = next(layer for layer in spec["layer"] if layer["mark"]["type"] == "text")
        assert numbers["encoding"]["text"]["field"] == "photos"
        assert numbers["encoding"]["color"]["value"] == ink
        assert "width < 56 ? 0" in numbers["mark"]["fontSize"]["expr"]  # 4 countries
