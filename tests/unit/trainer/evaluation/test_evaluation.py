"""Reports: figures compared with ones computed by hand."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import Tensor, nn

from euguess.geography.boundaries import load_boundaries
from euguess.geography.geodesy import great_circle_km
from euguess.geography.locations import Coordinate
from euguess.messages.collection import PlaceSource
from euguess.messages.training import SeenViews
from euguess.training.recipes.recipe import Recipe
from euguess.training.recipes.split_spec import SplitProtocol
from euguess.training.report import Report, UntestedCountry
from services.trainer.errors import Diverged
from services.trainer.evaluation.evaluation import evaluate, predict_logits
from services.trainer.evaluation.metrics import CHECK_WEIGHTS
from services.trainer.loading.split_data import SplitData, seen_views
from services.trainer.models.paired import photo_results
from services.trainer.reports.tables import percent, print_comparison, print_report, shown
from tests.support.tiny_training import COUNTRIES, tiny_recipe, tiny_split_data

LOCATIONS = 15


class Oracle(nn.Module):
    """Predicts the country of the brightest channel, which is right; with errs, the next one."""

    def __init__(self, errs: bool = False) -> None:
        super().__init__()
        self.errs = errs

    def forward(self, images: Tensor) -> Tensor:
        logits = 10 * images.mean(dim=(2, 3))
        return torch.roll(logits, 1, dims=1) if self.errs else logits


class France(nn.Module):
    """Predicts France for every image."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.tensor([2.0, 1.0, 0.0]).repeat(len(images), 1)


class Broken(nn.Module):
    """Returns NaN for every photo."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.full((len(images), len(COUNTRIES)), torch.nan)


def report(network: nn.Module, recipe: Recipe | None = None) -> Report:
    recipe = recipe or tiny_recipe()
    return evaluate(network, tiny_split_data(recipe, LOCATIONS), recipe)


def test_a_perfect_network_gets_every_score() -> None:
    found = report(Oracle())
    accuracies = ("top1_accuracy", "macro_recall")
    assert [found.metrics[name].value for name in accuracies] == [1.0, 1.0]
    assert np.trace(np.array(found.confusion)) == found.parts["test"].images
    assert all(row.recall == row.precision == 1.0 for row in found.per_country)


def test_the_report_names_the_countries_that_are_not_tested() -> None:
    recipe = tiny_recipe("split.protocol=spatial", "split.block_km=1000")
    data = tiny_split_data(recipe, LOCATIONS)
    split = replace(data.split, test=data.split.test[data.labels[data.split.test] != 1])
    why = UntestedCountry(country_code="IT", locations=5, reason="its 5 places lie in one block")
    found = evaluate(Oracle(), replace(data, split=replace(split, untested=(why,))), recipe)
    assert found.untested == (why,)
    assert any("IT (its 5 places lie in one block)" in caveat for caveat in found.caveats)
    console = Console(record=True, width=200)
    print_report(console, found)
    assert "Not tested" in console.export_text()
    unexplained = evaluate(Oracle(), replace(data, split=replace(split, untested=())), recipe)
    assert "IT (none of its places is in the test set)" in unexplained.caveats[0]
    assert report(Oracle()).untested == ()


def test_a_model_that_is_not_better_than_guessing_says_what_helps() -> None:
    found = report(Oracle(errs=True))
    assert found.baselines.majority_country is not None
    said = next(caveat for caveat in found.caveats if "better than guessing" in caveat)
    assert f"always naming {found.baselines.majority_country}" in said
    assert "pretrained weights" in said
    assert not any("better than guessing" in caveat for caveat in report(Oracle()).caveats)


def test_a_network_that_is_always_wrong_scores_0() -> None:
    found = report(Oracle(errs=True))
    assert found.metrics["top1_accuracy"].value == 0.0
    assert found.metrics["top1_accuracy"].high == 0.0
    assert np.trace(np.array(found.confusion)) == 0


@pytest.mark.parametrize("change", ["split.val_fraction=0.1", "split.val_fraction=0"])
def test_a_network_that_returns_nan_has_no_report(change: str) -> None:
    with pytest.raises(Diverged, match="not finite numbers"):
        report(Broken(), tiny_recipe(change))


def test_the_error_about_features_says_to_check_their_weights() -> None:
    images = tiny_split_data(tiny_recipe(), LOCATIONS).images
    with pytest.raises(Diverged, match=r"2 of 2 samples\. Check the weights"):
        predict_logits(Broken(), images, np.arange(2), advice=CHECK_WEIGHTS)


def test_a_network_that_returns_nan_has_no_photo_results() -> None:
    with pytest.raises(Diverged):
        photo_results(Broken(), tiny_split_data(tiny_recipe(), LOCATIONS))


def test_always_predicting_one_country_scores_its_share_and_the_baselines() -> None:
    found = report(France())
    test = found.parts["test"].images
    own = found.per_country[0].images
    assert found.metrics["top1_accuracy"].value == pytest.approx(own / test)
    assert found.metrics["macro_recall"].value == pytest.approx(1 / 3)
    assert found.baselines.chance == pytest.approx(1 / 3)
    assert found.baselines.majority == pytest.approx(own / test)
    assert [row.recall for row in found.per_country] == [1.0, 0.0, 0.0]
    assert [row.images for row in found.per_country] == [
        3 * (row.locations or 0) for row in found.per_country
    ]
    named = [row.predicted_locations for row in found.per_country]
    assert named == [found.parts["test"].locations, 0, 0]


def test_reports_of_older_versions_load() -> None:
    stored = report(France()).model_dump(mode="json")
    for row in stored["per_country"]:
        del row["locations"], row["predicted_locations"]
    assert Report.model_validate(stored).per_country[0].locations is None


def test_intervals_contain_the_estimate_and_are_wide_for_few_places() -> None:
    interval = report(France()).metrics["top1_accuracy"]
    assert interval.low <= interval.value <= interval.high
    assert interval.high - interval.low > 0.2


def test_views_are_fused_up_to_the_number_that_a_place_has() -> None:
    found = report(Oracle())
    assert [fused.views for fused in found.fused] == [1, 2, 3]
    assert {fused.locations for fused in found.fused} == {found.parts["test"].locations}


def test_errors_in_km_are_to_the_centre_of_the_predicted_country() -> None:
    found = report(France())
    split_data = tiny_split_data(tiny_recipe(), LOCATIONS)
    lats, lons = (
        column[split_data.split.test] for column in (split_data.index.lats, split_data.index.lons)
    )
    centre = load_boundaries().centroid("FR")
    expected = [
        great_circle_km(Coordinate(lat, lon), centre)
        for lat, lon in zip(lats.tolist(), lons.tolist(), strict=True)
    ]
    values = {name: interval.value for name, interval in found.metrics.items()}
    assert values["mean_error_km"] == pytest.approx(np.mean(expected))
    assert values["accuracy_within_750_km"] == pytest.approx(np.mean(np.array(expected) <= 750))
    assert values["geoscore"] == pytest.approx(np.mean(5000 * np.exp(-np.array(expected) / 1492.7)))
    assert found.fused[-1].metrics["mean_error_km"].value == pytest.approx(np.mean(expected))


def test_the_calibration_depends_on_val_alone() -> None:
    recipe = tiny_recipe()
    split_data = tiny_split_data(recipe, LOCATIONS)
    labels = split_data.labels.copy()
    labels[split_data.split.test] = (labels[split_data.split.test] + 1) % len(COUNTRIES)
    found, otherwise = (
        evaluate(Oracle(), one, recipe) for one in (split_data, replace(split_data, labels=labels))
    )
    assert found.calibration == otherwise.calibration
    assert found.metrics["top1_accuracy"] != otherwise.metrics["top1_accuracy"]
    val = split_data.index.location_ids[split_data.split.val]
    assert [one.views for one in found.calibration] == [1, 2, 3]
    assert {one.locations for one in found.calibration} == {len(set(val.tolist()))}


def test_a_given_calibration_is_used_and_none_is_measured_without_val() -> None:
    recipe = tiny_recipe()
    split_data = tiny_split_data(recipe, LOCATIONS)
    given = report(France()).calibration
    assert {
        row.calibration.temperature
        for row in evaluate(Oracle(), split_data, recipe, calibration=given).certainty
    } == {one.temperature for one in given}
    nothing = np.array([], dtype=np.int64)
    without = evaluate(
        Oracle(), replace(split_data, split=replace(split_data.split, val=nothing)), recipe
    )
    assert without.calibration == ()
    assert without.certainty == ()


def test_a_location_split_is_honest_and_an_image_split_is_not() -> None:
    honest, leaky = (
        report(Oracle(), tiny_recipe().with_protocol(protocol))
        for protocol in (SplitProtocol.LOCATION, SplitProtocol.IMAGE)
    )
    assert honest.is_honest
    assert not leaky.is_honest
    assert leaky.leaks["location"] > 0


@pytest.mark.parametrize(
    ("source", "kind", "is_honest"),
    [
        ("", "honest", True),
        (PlaceSource.GUESS, "honest, places guessed", True),
        (PlaceSource.UNKNOWN, "places unknown: may leak", False),
    ],
)
def test_a_test_is_not_called_honest_where_places_are_unknown(
    source: str, kind: str, is_honest: bool
) -> None:
    split_data = tiny_split_data(tiny_recipe(), LOCATIONS)
    sources = np.full(len(split_data.index), source)
    known = replace(split_data, index=replace(split_data.index, place_sources=sources))
    found = evaluate(Oracle(), known, tiny_recipe())
    assert (found.kind, found.is_honest) == (kind, is_honest)
    assert found.may_leak is not is_honest


def test_set_sizes_add_up_to_all_views() -> None:
    found = report(Oracle())
    assert sum(part.images for part in found.parts.values()) == 3 * LOCATIONS


def test_seen_views_are_all_but_the_tested_ones() -> None:
    split_data: SplitData = tiny_split_data(tiny_recipe(), LOCATIONS)
    seen: SeenViews = seen_views(split_data)
    tested = set(split_data.index.location_ids[split_data.split.test])
    assert tested.isdisjoint(seen.location_ids)
    assert len(tested) + len(seen.location_ids) == LOCATIONS


def test_a_report_round_trips_through_json() -> None:
    found = report(France())
    assert Report.model_validate_json(found.model_dump_json()) == found


def test_tables_show_accuracy_with_its_interval_and_both_splits() -> None:
    leaky = report(Oracle(), tiny_recipe().with_protocol(SplitProtocol.IMAGE))
    honest = report(France())
    console = Console(width=100, file=io.StringIO(), record=True)
    print_report(console, honest)
    print_comparison(console, leaky, honest)
    text = console.export_text()
    assert percent(honest.metrics["top1_accuracy"]) in text
    assert shown("mean_error_km", honest.metrics["mean_error_km"]) in text
    assert percent(honest.certainty[-1].set_coverage) in text
    assert percent(leaky.metrics["top1_accuracy"]) in text
    assert "leaky (image split)" in text
    assert "honest (location split)" in text
    assert all(code in text for code in COUNTRIES)
